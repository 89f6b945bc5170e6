import { KontikiError } from '../errors.js';
import type { ServerId } from '../log/server.js';
import type { Logger } from '../ports/logger.js';
import type { Raft } from '../protocol/raft.js';
import type { Calls } from './calls/calls.js';
import { limited } from './calls/limited.js';
import type { Emitter } from './events/emitter.js';
import type { NodeEvents } from './events/events.js';
import { handOver, leadsOthers, type CloseOptions } from './hand-over.js';
import type { Loop } from './loop.js';
import { DEFAULT_TIMEOUT } from './options.js';
import { endError, type NodeEnd } from './status.js';

/** The parts of a node that end together. */
interface NodeParts<Result> {
  readonly id: ServerId;
  readonly raft: Raft;
  readonly loop: Loop<Result>;
  readonly calls: Calls;
  readonly events: Emitter<NodeEvents>;
  readonly logger: Logger;
}

/**
 * Ends a node, because `close` was called or because the node failed. A node ends only once. After
 * that, it runs no more turns, all waiting calls have settled, and its ports are closed.
 */
export class Ending<Result> {
  readonly #parts: NodeParts<Result>;
  #ended: NodeEnd | undefined;
  /** The error for new calls while the node is transferring its leadership before it closes. */
  #refused: KontikiError | undefined;
  #closing: Promise<void> | undefined;
  #portsClosed: Promise<void> | undefined;

  constructor(parts: NodeParts<Result>) {
    this.#parts = parts;
  }

  /** How the node ended; undefined while it is running. */
  get ended(): NodeEnd | undefined {
    return this.#ended;
  }

  /** The error for new calls; undefined if the node accepts calls. */
  get refusal(): KontikiError | undefined {
    return this.#ended?.error ?? this.#refused;
  }

  close(options: CloseOptions): Promise<void> {
    return (this.#closing ??= this.#close(options));
  }

  /** Ends the node. Calling this method again has no effect. */
  end(role: NodeEnd['role'], failure?: Error): void {
    if (this.#ended !== undefined) return;
    const { id, raft, loop, calls, events } = this.#parts;
    const error = endError(id, failure);
    const previous = raft.role;
    this.#ended = { role, error };
    loop.stop();
    loop.proposals.abandon(error);
    loop.reads.abandon(error);
    calls.stop();
    events.emit('state', { role, previous, error: failure });
  }

  /**
   * Stops the node permanently after a failure, and keeps its data. The node's state is uncertain
   * after a failure, so the node must not continue.
   */
  fail(error: Error): void {
    if (this.#ended !== undefined) return;
    const { logger, events } = this.#parts;
    logger.error('the server has stopped', { error });
    this.end('failed', error);
    // Close the ports here as well, because a call to `close` may still be waiting for proposals.
    const closed = this.#closePorts(DEFAULT_TIMEOUT).catch((failure: unknown) => {
      logger.error('closing the ports after the failure failed', { error: failure });
    });
    this.#closing ??= closed;
    events.emit('fatal', { error });
  }

  async #close(options: CloseOptions): Promise<void> {
    const { timeout = DEFAULT_TIMEOUT, drain = true, transfer = true } = options;
    const { id, raft, loop, calls } = this.#parts;
    const { proposals, operations } = loop;
    const waits = (drain && proposals.areWaiting) || (leadsOthers(raft) && (drain || transfer));
    if (this.#ended === undefined && waits) {
      this.#refused = new KontikiError('KONTIKI_CLOSED', `Node ${id} is closing.`);
      proposals.stopWaiting(this.#refused);
      const run = (signal: AbortSignal): Promise<void> => handOver(raft, proposals, operations, options, signal);
      await limited(calls, { timeout }, run).catch(() => {
        // The node closes even if waiting for the proposals fails. The proposals then reject with
        // an error that describes their outcome.
      });
    }
    this.end('closed');
    await this.#closePorts(timeout);
  }

  /** Closes the ports, and rejects the calls that are waiting for a port or an event. */
  #closePorts(timeout: number): Promise<void> {
    const { loop, calls } = this.#parts;
    const { error } = this.#ended as NodeEnd;
    this.#portsClosed ??= loop.closePorts(timeout, error).finally(() => calls.close(error));
    return this.#portsClosed;
  }
}
