import { isKontikiError, KontikiError } from '../errors.js';
import type { Position } from '../log/entry.js';
import type { CallOptions } from '../node/calls/calls.js';
import type { Applied } from '../node/calls/proposal.js';
import type { ReadOptions } from '../node/calls/read-queue.js';
import type { CloseOptions } from '../node/hand-over.js';
import type { NodeOptions } from '../node/options.js';
import { RaftNode } from '../node/raft-node.js';
import { defaultTimings } from '../protocol/settings.js';
import type { CallArguments, CommandsOf, QueriesOf, ResultOf } from './call-types.js';
import type { Definition } from './definition.js';
import type { Outcome } from './outcome.js';
import { unknownCall } from './proposal.js';
import { copyOf, Replica } from './replica.js';
import { CALL_HEAD } from './sessions/record.js';
import { outcomes } from './sessions/results.js';
import { SessionClient, type SessionOptions } from './sessions/session-client.js';
import { SessionMachine } from './sessions/session-machine.js';

/** The options of a node, with a definition as its state machine. */
export interface TypedNodeOptions<D extends Definition> extends Omit<NodeOptions<Outcome>, 'machine'> {
  readonly machine: D;
}

/** A node whose state machine was defined by `defineStateMachine`. */
export class TypedNode<D extends Definition> implements AsyncDisposable {
  /** The underlying node, with its members, status, events and snapshots. */
  readonly raft: RaftNode<Outcome>;
  readonly #replica: Replica;
  readonly #sessions: SessionClient<Outcome>;

  /**
   * Opens a node, like `RaftNode.open`. Resolves when this server has applied all entries that it
   * knows to be committed. Rejects with `KONTIKI_FORMAT` if the log or the snapshot needs a version
   * that the definition does not have.
   */
  static async open<D extends Definition>(
    options: TypedNodeOptions<D>,
    limits: CallOptions = {},
  ): Promise<TypedNode<D>> {
    const replica = new Replica(options.machine, options.clock);
    const raft = await RaftNode.open(
      { ...options, machine: new SessionMachine(replica, outcomes, options.clock) },
      limits,
    );
    try {
      const { committed } = raft.status();
      while (raft.status().applied < committed) await raft.once('apply', limits);
      return new TypedNode<D>(raft, replica, options);
    } catch (error) {
      await raft.close().catch(() => {
        // Ignore this error, because the first error is more useful.
      });
      throw raft.status().error ?? error;
    }
  }

  private constructor(raft: RaftNode<Outcome>, replica: Replica, options: TypedNodeOptions<D>) {
    const { clock, random, timings, timeout } = options;
    this.raft = raft;
    this.#replica = replica;
    const retryMs = 2 * (timings?.election ?? defaultTimings.election);
    this.#sessions = new SessionClient({ node: raft, clock, random, retryMs, timeout });
  }

  /**
   * Runs a command on every server, exactly once. Any server accepts the call and forwards the
   * command to the leader. If the command has a validator, the input is validated first, and the
   * validator's output is proposed. Resolves with the command's result.
   *
   * The command has a number in a session of this process. If its outcome is unknown, for example
   * after a change of the leader, it is proposed again until the deadline. The servers apply it
   * once, and keep its result for the retries.
   *
   * Rejects with the `CommandError` that the command throws. Rejects with `KONTIKI_UNKNOWN_COMMAND`
   * if the version in force does not have the command. Rejects with `KONTIKI_BAD_INPUT` if the
   * input is invalid or cannot be encoded exactly. Otherwise rejects like `RaftNode.propose`.
   */
  async execute<Name extends keyof CommandsOf<D> & string>(
    name: Name,
    ...[input, options]: CallArguments<CommandsOf<D>[Name], SessionOptions>
  ): Promise<Applied<ResultOf<CommandsOf<D>[Name]>>> {
    for (;;) {
      const record = this.#replica.encode(name, input, CALL_HEAD);
      const { index, term, result: outcome } = await this.#sessions.proposeRecord(record, options);
      if ('result' in outcome) return { index, term, result: outcome.result as ResultOf<CommandsOf<D>[Name]> };
      // Another version took effect in the meantime, so the command had no effect. Propose it
      // again. A client outside this process must number it anew.
      const isOurs = typeof options?.session !== 'object';
      if (!(isOurs && isKontikiError(outcome.error, 'KONTIKI_BEHAVIOR'))) throw outcome.error;
    }
  }

  /**
   * Opens a session for a client outside this process, like `SessionClient.openSession`. Its number
   * belongs in the option `session` of `execute`.
   */
  openSession(options: CallOptions = {}): Promise<number> {
    return this.#sessions.openSession(options);
  }

  /**
   * Runs a query like `RaftNode.read`. Resolves with its result, and with the position of the last
   * entry whose effects the query saw. Rejects with `KONTIKI_UNKNOWN_COMMAND` if the version in
   * force does not have the query.
   */
  query<Name extends keyof QueriesOf<D> & string>(
    name: Name,
    ...[input, options]: CallArguments<QueriesOf<D>[Name], ReadOptions>
  ): Promise<Applied<ResultOf<QueriesOf<D>[Name]>>> {
    const read = ({ index, term }: Position): Applied<unknown> => {
      const { inForce, state } = this.#replica;
      const query = inForce.queries.get(name);
      if (query === undefined) throw unknownCall(inForce.version, 'query', name);
      return { index, term, result: copyOf(query(state, input), `Query ${name}`) };
    };
    return this.raft.read(read, options) as Promise<Applied<ResultOf<QueriesOf<D>[Name]>>>;
  }

  /** The behavior version in force, according to the entries that this server has applied. */
  get version(): number {
    return this.#replica.inForce.version;
  }

  /**
   * Activates the newest version that every member has, and resolves with this version. Call this
   * method on the leader once all servers run the new program. After that, servers cannot return to
   * a program without this version.
   *
   * Rejects with `KONTIKI_BEHAVIOR` if a member does not answer, or if there is no newer version
   * that every member has. Otherwise rejects like `RaftNode.propose`.
   */
  async raiseVersion(options?: CallOptions): Promise<number> {
    const { isLeader, members } = this.raft;
    const { raised, behavior } = this.#replica;
    // On other servers, `propose` rejects with the reason. An increase of the version is never
    // forwarded, because only the leader knows the version of every member.
    const to = isLeader ? members.commonBehavior() : behavior;
    if (isLeader && to <= raised) throw this.#notRaised(to);
    const { result: outcome } = await this.raft.propose(this.#replica.encodeRaise(to), { ...options, forward: false });
    if ('error' in outcome) throw outcome.error;
    return to;
  }

  #notRaised(common: number): KontikiError {
    const { id, behavior, peers } = this.raft.status();
    const behind = [{ id, behavior }, ...peers]
      .filter((server) => server.behavior === common)
      .map((server) => server.id);
    const text = `Version ${this.version} of the state machine is in force, and ${behind.join(', ')} has no later one. Nothing was changed. Upgrade it and try again.`;
    return new KontikiError('KONTIKI_BEHAVIOR', text);
  }

  /** Closes the underlying node. */
  close(options?: CloseOptions): Promise<void> {
    return this.raft.close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
