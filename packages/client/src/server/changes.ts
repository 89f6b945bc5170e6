import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { KontikiError, type RaftNode } from '@kontiki/core';
import { disconnectSignal } from './request.js';

/** Milliseconds between the empty lines that show a client that its node is alive. */
const BEAT_MS = 1_000;

/** A value as JSON, and the index of the last entry whose effects it contains. */
export interface Change {
  readonly index: number;
  readonly json: string;
}

/** Sends the changes of values to the clients of one node. */
export class Watches {
  readonly #node: Pick<RaftNode, 'watch'>;
  readonly #max: number;
  #count = 0;

  /** `max` is the maximum number of watches at a time. */
  constructor(node: Pick<RaftNode, 'watch'>, max: number) {
    this.#node = node;
    this.#max = max;
  }

  /**
   * Sends the value that `read` resolves with, and again each time that it has changed, as lines
   * `{"index": …, "result": …}`. A slow client receives only the newest value, so it uses a bounded
   * amount of memory. Ends when the client disconnects or the node ends. Rejects like the first
   * `read`, and with `KONTIKI_OVERLOADED` if there are too many watches.
   */
  async send(response: ServerResponse, read: (isFirst: boolean) => Promise<Change>): Promise<void> {
    if (this.#count >= this.#max)
      throw new KontikiError('KONTIKI_OVERLOADED', `This node serves ${this.#max} watches already. Try another node.`);
    this.#count += 1;
    try {
      await this.#send(response, read);
    } finally {
      this.#count -= 1;
    }
  }

  async #send(response: ServerResponse, read: (isFirst: boolean) => Promise<Change>): Promise<void> {
    const signal = disconnectSignal(response);
    await read(true);
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
    const beat = setInterval(() => response.writableNeedDrain || response.write('\n'), BEAT_MS);
    try {
      let sent: string | undefined;
      for await (const _ of this.#node.watch('apply', { signal })) {
        const { index, json } = await read(false);
        if (json === sent) continue;
        sent = json;
        if (!response.write(`{"index":${index},"result":${json}}\n`)) await once(response, 'drain', { signal });
      }
    } catch {
      // The client has disconnected, or the node has ended. Then the client continues at another node.
    } finally {
      clearInterval(beat);
      response.end();
    }
  }
}
