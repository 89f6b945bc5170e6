import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { RaftNode, SnapshotStore } from '@kontiki/core';
import { answerJson, HttpError } from './answers.js';

/** What `/status` says of the newest snapshot. */
interface Newest {
  readonly index: number;
  readonly bytes: number;
  /** ISO 8601, when it was taken or installed; null if that was before this process began. */
  readonly at: string | null;
}

/** The snapshots of one node over HTTP: POST takes one, GET gives the newest as it stands in its file. */
export class SnapshotApi {
  readonly #node: RaftNode;
  readonly #store: SnapshotStore;
  #latest: { readonly index: number; readonly at: string } | undefined;

  constructor(node: RaftNode, store: SnapshotStore) {
    this.#node = node;
    this.#store = store;
    const note = ({ index }: { readonly index: number }): void => {
      this.#latest = { index, at: new Date().toISOString() };
    };
    node.on('snapshot', note);
    node.on('snapshotInstalled', note);
  }

  handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'POST') return this.#take(response);
    if (request.method === 'GET') return this.#give(response);
    throw new HttpError(405, 'METHOD', '/snapshot takes GET and POST.');
  }

  async newest(): Promise<Newest | null> {
    const [newest] = await this.#store.list();
    if (newest === undefined) return null;
    const { last, bytes } = newest;
    return { index: last.index, bytes, at: this.#latest?.index === last.index ? this.#latest.at : null };
  }

  async #take(response: ServerResponse): Promise<void> {
    const { id, last, bytes } = await this.#node.snapshot();
    answerJson(response, 200, { id, ...last, bytes });
  }

  async #give(response: ServerResponse): Promise<void> {
    const [newest] = await this.#store.list();
    if (newest === undefined) throw new HttpError(404, 'NO_SNAPSHOT', 'This node has no snapshot yet.');
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': newest.bytes });
    await pipeline(this.#store.read(newest.id), response);
  }
}
