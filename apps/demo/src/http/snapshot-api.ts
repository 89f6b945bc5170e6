import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { RaftNode, SnapshotStore } from '@kontiki/core';
import { HttpError, sendJson } from './responses.js';

/** The newest snapshot, as reported by `/status`. */
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
 * Serves one node's snapshots over HTTP. POST takes a snapshot. GET sends the newest snapshot as it
 * is stored.
 */
export class SnapshotApi {
  readonly #node: RaftNode;
  readonly #store: SnapshotStore;
  /** The newest snapshot. It is kept in memory, because clients may poll `/status` often. */
  #newest: NewestSnapshot | null = null;

  private constructor(node: RaftNode, store: SnapshotStore) {
    this.#node = node;
    this.#store = store;
    const record = ({ index, bytes }: Omit<NewestSnapshot, 'at'>): void => {
      this.#newest = { index, bytes, at: new Date().toISOString() };
    };
    node.on('snapshot', record);
    node.on('snapshotInstalled', record);
  }

  static async open(node: RaftNode, store: SnapshotStore): Promise<SnapshotApi> {
    const api = new SnapshotApi(node, store);
    const [newest] = await store.list();
    // If an event arrived during the call, the event reported a newer snapshot.
    if (newest !== undefined) api.#newest ??= { index: newest.last.index, bytes: newest.bytes, at: null };
    return api;
  }

  get newest(): NewestSnapshot | null {
    return this.#newest;
  }

  handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'POST') return this.#take(response);
    if (request.method === 'GET') return this.#send(response);
    throw new HttpError(405, 'METHOD', '/snapshot supports GET and POST.');
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
