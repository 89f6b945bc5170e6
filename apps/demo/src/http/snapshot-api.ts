import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { RaftNode, SnapshotStore } from '@kontiki/core';
import { HttpError, sendJson } from './responses.js';

/** The newest snapshot in a response to `/status`. */
interface NewestSnapshot {
  readonly index: number;
  readonly bytes: number;
  /**
   * Time when the snapshot was taken or installed, in ISO 8601. Null if that was before this
   * process started.
   */
  readonly at: string | null;
}

/**
 * Serves the snapshots of one node over HTTP. POST takes a snapshot. GET sends the newest snapshot
 * as it is stored.
 */
export class SnapshotApi {
  readonly #node: RaftNode;
  readonly #store: SnapshotStore;
  #latest: { readonly index: number; readonly at: string } | undefined;

  constructor(node: RaftNode, store: SnapshotStore) {
    this.#node = node;
    this.#store = store;
    const record = ({ index }: { readonly index: number }): void => {
      this.#latest = { index, at: new Date().toISOString() };
    };
    node.on('snapshot', record);
    node.on('snapshotInstalled', record);
  }

  handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'POST') return this.#take(response);
    if (request.method === 'GET') return this.#send(response);
    throw new HttpError(405, 'METHOD', '/snapshot supports GET and POST.');
  }

  async newest(): Promise<NewestSnapshot | null> {
    const [newest] = await this.#store.list();
    if (newest === undefined) return null;
    const { last, bytes } = newest;
    return { index: last.index, bytes, at: this.#latest?.index === last.index ? this.#latest.at : null };
  }

  async #take(response: ServerResponse): Promise<void> {
    const { id, last, bytes } = await this.#node.snapshot();
    sendJson(response, 200, { id, ...last, bytes });
  }

  async #send(response: ServerResponse): Promise<void> {
    const [newest] = await this.#store.list();
    if (newest === undefined)
      throw new HttpError(404, 'NO_SNAPSHOT', 'This node has no snapshot yet. Take one with POST /snapshot.');
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': newest.bytes });
    await pipeline(this.#store.read(newest.id), response);
  }
}
