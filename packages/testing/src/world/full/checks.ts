import type { ApplyBatch, LogState, LogWrite, MembershipEntry, Message, ServerId, Status } from '@kontiki/core';
import { Ballots } from '../ballots.js';
import { noCounts, type Counts } from '../counts.js';
import { Entries, type LatestTime, type OnQuorum } from '../entries.js';
import { Freshness } from '../freshness.js';
import type { InvariantChecker } from '../invariant-checker.js';
import type { Mix } from '../mix.js';
import { isQuorum, quorumsOverlap } from '../memberships.js';
import { Versions } from './versions.js';
import type { LogMemory } from './watched-log.js';

/** The parts of a server that the checks use. */
interface Observed {
  readonly id: ServerId;
  /** Number of the server's current process. */
  readonly life: number;
  readonly leads: boolean;
  readonly log: LogMemory;
}

/** The state that the checks of an epoch inherit from the checks of the previous epoch. */
interface Before {
  readonly counts: Counts;
  readonly entries: Entries;
  /** Terms of the entries that the recovered server holds. */
  readonly terms: readonly number[];
}

/** The latest known state of one server process. */
interface Seen {
  life: number;
  term: number;
  committed: number;
  applied: number;
}

/**
 * Checks whole nodes from the outside, through their stores, state machines, messages and events.
 * Each public method is called when the event in its name occurs on a server.
 */
export class NodeChecks {
  readonly counts: Counts;
  readonly freshness: Freshness;
  readonly invariants: InvariantChecker;
  readonly #mix: Mix;
  /** The metadata of membership calls that rejected with an error other than an unknown outcome. */
  readonly refused: Set<string> = new Set();
  /** Number of membership calls whose effect the checks can recognize. */
  annotations = 0;
  readonly versions: Versions;
  readonly #ballots: Ballots;
  readonly #servers: () => readonly Observed[];
  readonly #latestTime: LatestTime;
  readonly #entries: Entries;
  readonly #seen = new Map<ServerId, Seen>();
  /** All memberships that were ever appended, by the index and term of their entry. */
  readonly #memberships = new Map<string, MembershipEntry>();
  /** Result of each applied command, by index. */
  readonly #results = new Map<number, unknown>();
  /** Digests of the state at some indices, by the index of the last applied entry. */
  readonly #digests = new Map<number, string>();
  /** Term of each acknowledged entry, by index. */
  readonly acknowledged: Map<number, number> = new Map();

  constructor(
    invariants: InvariantChecker,
    mix: Mix,
    servers: () => readonly Observed[],
    latestTime: LatestTime,
    before?: Before,
  ) {
    this.invariants = invariants;
    this.#mix = mix;
    this.#servers = servers;
    this.#latestTime = latestTime;
    this.counts = before?.counts ?? noCounts();
    this.#ballots = new Ballots(invariants);
    this.freshness = new Freshness(invariants);
    this.versions = new Versions(invariants);
    const onQuorum: OnQuorum = (_id, index, term) =>
      this.isOnQuorum((id) =>
        servers().some(
          (server) => server.id === id && (server.log.durable.covers(index) || server.log.durable.at(index) === term),
        ),
      );
    this.#entries = before?.entries.recovered(before.terms, onQuorum) ?? new Entries(invariants, onQuorum, latestTime);
  }

  /**
   * Returns the checks of the epoch that a recovery starts. The log of the recovered server, whose
   * last index is `last`, is committed. All other entries are lost.
   */
  recovered(last: number, termAt: (index: number) => number | undefined): NodeChecks {
    const terms = Array.from({ length: last }, (_, i) => termAt(i + 1) ?? this.#entries.termOf(i + 1) ?? 0);
    const { counts, invariants } = this;
    const before = { counts, entries: this.#entries, terms };
    const next = new NodeChecks(invariants, this.#mix, this.#servers, this.#latestTime, before);
    for (const [index, term] of this.acknowledged) if (terms[index - 1] === term) next.acknowledged.set(index, term);
    return next;
  }

  /**
   * Returns whether the servers for which `holds` returns true form a quorum. The quorum may be one
   * of the newest committed membership or of a later membership that may be in force.
   */
  isOnQuorum(holds: (id: ServerId) => boolean): boolean {
    const all = [...this.#memberships.values()];
    const isCommitted = ({ index, term }: MembershipEntry): boolean => this.#entries.termOf(index) === term;
    const newest = Math.max(1, ...all.filter(isCommitted).map(({ index }) => index));
    return all.some(({ index, membership }) => index >= newest && isQuorum(membership, holds));
  }

  /** Checks that no committed membership contains the metadata of a refused call. */
  refusedHaveNoEffect(): void {
    for (const { index, term, membership } of this.#memberships.values()) {
      if (this.#entries.termOf(index) !== term) continue;
      for (const { metadata } of membership.servers.values())
        this.invariants.check(
          'refusedChangesNothing',
          !this.refused.has(metadata),
          () => `entry ${index} contains ${metadata}, whose call was refused`,
        );
    }
  }

  // ---- logs

  opened({ id, life }: Observed, { ballot, base, last, terms, memberships, committed }: LogState): void {
    // Bootstrap writes the first membership before the node opens its log.
    for (const { index, membership } of memberships) {
      const entry = { index, term: terms.findLast((first) => first.index <= index)?.term ?? 0, membership };
      this.#memberships.set(`${index} ${entry.term}`, { kind: 'membership', ...entry });
    }
    const term = Math.max(ballot?.term ?? 0, terms.at(-1)?.term ?? base.term);
    if (last > 0) this.#ballots.started(id, term);
    this.#seen.set(id, { life, term, committed, applied: 0 });
  }

  /** Called when a server's disk has been replaced with an empty one. */
  wiped(id: ServerId): void {
    this.#ballots.wiped(id);
  }

  issued({ id, leads, log }: Observed, prevTerm: number, last: number, { entries = [], ballot }: LogWrite): void {
    const [first] = entries;
    if (first === undefined) return;
    const replaces = first.index <= last;
    if (replaces) this.counts.truncations += 1;
    // A leader may step down and truncate in one turn. The write then contains the new term.
    this.invariants.check(
      'leaderAppendOnly',
      !(replaces && leads && ballot === undefined),
      () => `${id} leads and replaced its entry ${first.index}`,
    );
    this.#entries.issued(id, prevTerm, entries);
    const terms = new Map(entries.map(({ index, term }) => [index, term]));
    const termAt = (index: number): number | undefined => terms.get(index) ?? this.#termAt(log, index);
    for (const entry of entries) if (entry.kind === 'membership') this.#joins(termAt, entry);
  }

  committed({ id, log, life }: Observed, term: number, index: number): void {
    const seen = this.#seenOf(id, life);
    const before = this.#entries.committed;
    this.#entries.commits(id, term, seen.committed + 1, index, (at) => this.#termAt(log, at));
    this.counts.commits += this.#entries.committed - before;
    seen.committed = Math.max(seen.committed, index);
  }

  // ---- leaders and messages

  leads({ id, life, log }: Observed, term: number): void {
    this.counts.elections += 1;
    this.#ballots.leads(`${id}/${life}`, term);
    this.#entries.leads(id, term, (index) => this.#termAt(log, index));
  }

  sent(id: ServerId, { durableTerm }: LogMemory, to: ServerId, message: Message): void {
    this.#ballots.sent(id, to, message, durableTerm);
    this.versions.sent(id, message);
    if (message.kind === 'proposeReply') this.counts.forwards += message.accepted;
    if (message.kind === 'delegate') this.counts.delegations += 1;
  }

  /** Called with a node's current status. */
  status({ id, life }: Observed, status: Status): void {
    const seen = this.#seenOf(id, life);
    const { term, committed, applied, durable, heldBytes } = status;
    this.invariants.check('termsRise', term >= seen.term, () => `${id} went from term ${seen.term} to ${term}`);
    const rose = committed >= seen.committed && applied >= seen.applied;
    this.invariants.check(
      'positionsRise',
      rose,
      () => `${id} no longer has ${seen.committed} as committed or ${seen.applied} as applied`,
    );
    const early = applied > Math.min(committed, durable);
    this.invariants.check(
      'positionsRise',
      !early,
      () => `${id} applied ${applied}, but committed ${committed} and made ${durable} durable`,
    );
    Object.assign(seen, { term, committed, applied });
    for (const peer of status.peers) {
      this.invariants.check(
        'positionsRise',
        peer.next > peer.match,
        () => `${id} sends entry ${peer.next} to ${peer.id}, which matches up to ${peer.match}`,
      );
      const fits = peer.inFlight <= this.#mix.limits.windowMessages;
      this.invariants.check('queuesAreBounded', fits, () => `${peer.inFlight} messages to ${peer.id} are in flight`);
    }
    if (applied < status.last) return;
    const { tailBytes } = this.#mix.limits;
    this.invariants.check(
      'queuesAreBounded',
      heldBytes <= tailBytes,
      () => `${id} holds ${heldBytes} bytes after applying them`,
    );
  }

  /**
   * Called when a node has stopped because of an error or has failed to start. `excused` is true if
   * an injected fault caused the error.
   */
  stopped(id: ServerId, excused: boolean, error: Error): void {
    this.invariants.check('assertions', excused, () => `${id} stopped without an injected error: ${error.message}`);
  }

  // ---- machines

  /**
   * Called when a state machine has applied a batch. `after` is the last index that was applied
   * before the batch.
   */
  applied({ id, log }: Observed, after: number, { entries, through }: ApplyBatch, results: readonly unknown[]): void {
    const given = entries.map(({ index }) => index);
    const expected = this.#entries.commands(after, through, (at) => this.#termAt(log, at));
    const isWhole =
      through > after && given.length === expected.length && expected.every((index, i) => index === given[i]);
    this.invariants.check(
      'appliesInOrder',
      isWhole,
      () => `${id} applies ${given.join(', ')} up to ${through} after ${after}, not ${expected.join(', ')}`,
    );
    entries.forEach(({ index, term, data }, i) => {
      this.#entries.applied(id, index, term, data);
      const result = results[i];
      const known = this.#results.get(index);
      if (known === undefined) this.#results.set(index, result);
      const same = known === undefined || known === result || JSON.stringify(known) === JSON.stringify(result);
      this.invariants.check(
        'equalStates',
        same,
        () => `entry ${index} has the result ${String(result)} on ${id}, and another one on another server`,
      );
    });
  }

  /**
   * Called with the digest of a machine's state after the machine has applied the entry `through`.
   */
  state(id: ServerId, through: number, digest: string): void {
    const known = this.#digests.get(through);
    if (known === undefined) this.#digests.set(through, digest);
    const same = known === undefined || known === digest;
    this.invariants.check(
      'equalStates',
      same,
      () => `${id} has the state ${digest} at ${through}, another server has ${known}`,
    );
  }

  // ---- clients

  /**
   * Called when a command is acknowledged. `floor` is the highest index acknowledged or read before
   * the request started.
   */
  done(index: number, term: number, floor: number): void {
    this.counts.acknowledged += 1;
    this.acknowledged.set(index, term);
    this.invariants.check(
      'readsAreFresh',
      index > floor,
      () => `a command got the index ${index}, but ${floor} was acknowledged or read before it started`,
    );
    this.freshness.acknowledged(index);
  }

  read(through: number, floor: number): void {
    this.counts.reads += 1;
    this.freshness.read(through, floor);
  }

  /**
   * Returns the term at an index of a server's log, or the committed term if a snapshot covers the
   * index.
   */
  #termAt({ issued }: LogMemory, index: number): number | undefined {
    return issued.covers(index) ? this.#entries.termOf(index) : issued.at(index);
  }

  /**
   * Checks a membership against the previous membership in the log. `termAt` returns the terms of
   * the log as they are after the write that appends the membership.
   */
  #joins(termAt: (index: number) => number | undefined, entry: MembershipEntry): void {
    const { index, term, membership } = entry;
    this.#memberships.set(`${index} ${term}`, entry);
    const earlier = [...this.#memberships.values()].filter(
      (other) => other.index < index && termAt(other.index) === other.term,
    );
    const [before] = earlier.sort((a, b) => b.index - a.index);
    // A recovery replaces all members but one.
    if (before?.membership.epoch !== membership.epoch) return;
    const overlap = quorumsOverlap(before.membership, membership);
    this.invariants.check(
      'quorumsOverlap',
      overlap,
      () => `the memberships at ${before?.index} and ${index} have quorums without a common server`,
    );
  }

  #seenOf(id: ServerId, life: number): Seen {
    const seen = this.#seen.get(id);
    if (seen?.life === life) return seen;
    const fresh = { life, term: 0, committed: 0, applied: 0 };
    this.#seen.set(id, fresh);
    return fresh;
  }
}
