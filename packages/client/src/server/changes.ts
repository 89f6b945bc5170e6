import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { RaftNode } from '@kontiki/core';
import { disconnectSignal } from './request.js';

/** Milliseconds between the empty lines that show a client that its node is alive. */
const BEAT_MS = 1_000;

/** A value as JSON, and the index of the last entry whose effects it contains. */
export interface Change {
  readonly index: number;
  readonly json: string;
}

/**
 * Sends the value that `read` resolves with, and again each time that it has changed, as lines
 * `{"index": …, "result": …}`. A slow client receives only the newest value, so it uses a bounded
 * amount of memory. Ends when the client disconnects or the node ends. Rejects like the first `read`.
 */
export async function sendChanges(
  node: Pick<RaftNode, 'watch'>,
  response: ServerResponse,
  read: (isFirst: boolean) => Promise<Change>,
): Promise<void> {
  const signal = disconnectSignal(response);
  await read(true);
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
  const beat = setInterval(() => response.writableNeedDrain || response.write('\n'), BEAT_MS);
  try {
    let sent: string | undefined;
    for await (const _ of node.watch('apply', { signal })) {
      const { index, json } = await read(false);
      if (json === sent) continue;
      sent = json;
      if (!response.write(`{"index":${index},"result":${json}}\n`)) await once(response, 'drain', { signal });
    }
  } catch {
    // The client has disconnected, or the node has ended. In both cases the client goes on elsewhere.
  } finally {
    clearInterval(beat);
    response.end();
  }
}
