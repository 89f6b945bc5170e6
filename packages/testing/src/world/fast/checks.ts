import { isVoter, type Ballot, type Entry, type MembershipEntry, type Message, type ServerId } from '@kontiki/core';
import type { Raft, Write } from '@kontiki/core/protocol';
import { Ballots } from '../ballots.js';
import { noCounts, type Counts } from '../counts.js';
import { Entries, type LatestTime, type OnQuorum } from '../entries.js';
import { Freshness } from '../freshness.js';
import { Levels } from '../levels.js';
import type { InvariantChecker } from '../invariant-checker.js';
import { quorumsOverlap } from '../memberships.js';
import type { Invariant } from '../violation.js';

/** The parts of a server that the checks use. */
export interface Observed {
  readonly id: ServerId;
  readonly incarnation: number;
  readonly disk: {
    /** The durable ballot of the server. */
    readonly ballot: Ballot | undefined;
    /** The durable entries of the server. */
    readonly entries: readonly Entry[];
    /** Returns whether an entry is durable, or was durable before the disk was lost. */
    holds(index: number, term: number): boolean;
    /** The last index in all writes issued so far, durable or not. */
    readonly issuedLast: number;
    /** Whether the disk is an older copy, whose votes do not count. */
    readonly isCopy?: boolean;
  };
}

/** The state of one server process after its latest turn. */
interface Seen {
  term: number;
  committed: number;
  applied: number;
  /** The latest term in which the process led. */
  leads: number;
  /** The last index of the log after its latest turn as leader. */
  lastIndex: number;
  lastEntry: Entry | undefined;
  /** The match index of each peer, as long as the server leads the term `leads`. */
  readonly matches: Map<ServerId, { readonly incarnation: number; readonly match: number }>;
}

/**
 * Checks the rules of Raft and of linearizable reads on pure `Raft`s (the protocol without a node).
 * Most methods are called when an event occurs on a server. They compare the server's state with
 * its state after the previous turn.
 */
export class Checks {
  readonly counts: Counts = noCounts();
  readonly #invariants: InvariantChecker;
  readonly #seen = new Map<ServerId, Seen>();
  readonly #ballots: Ballots;
  readonly #entries: Entries;
  /** The index at which each command was applied, by the command's number. */
  readonly #indexOf = new Map<number, number>();
  readonly #freshness: Freshness;
  readonly #levels: Levels;
  readonly #onElected: (id: ServerId) => void;

  constructor(
    invariants: InvariantChecker,
    onQuorum: OnQuorum,
    latestTime: LatestTime,
    onElected: (id: ServerId) => void,
  ) {
    this.#invariants = invariants;
    this.#ballots = new Ballots(invariants);
    this.#freshness = new Freshness(invariants);
    this.#levels = new Levels(invariants);
    this.#onElected = onElected;
    this.#entries = new Entries(invariants, onQuorum, latestTime);
  }

  check(invariant: Invariant, holds: boolean, broken: () => string): void {
    this.#invariants.check(invariant, holds, broken);
  }

  /** The highest index that a client has read or whose write was acknowledged. */
  get floor(): number {
    return this.#freshness.floor;
  }

  checkThrown(id: ServerId, error: unknown): void {
    this.#invariants.checkThrown(id, error);
  }

  // ---- server events

  started({ id }: Observed, { ballot, log }: Raft): void {
    this.#ballots.started(id, ballot.term);
    const { committed, applied } = log;
    // If a server crashes within a turn, `turned` is not called. The commit index on disk may
    // therefore exceed the last one seen.
    this.#entries.commits(id, ballot.term, this.#entries.committed + 1, committed, (index) => log.termAt(index));
    const matches = new Map();
    this.#seen.set(id, {
      term: ballot.term,
      committed,
      applied,
      leads: 0,
      lastIndex: 0,
      lastEntry: undefined,
      matches,
    });
  }

  wiped({ id }: Observed): void {
    this.#ballots.wiped(id);
  }

  turned(server: Observed, raft: Raft): void {
    const seen = this.#seen.get(server.id) as Seen;
    const { log, ballot } = raft;
    const { id } = server;
    const { term } = ballot;
    this.check('termsRise', term >= seen.term, () => `${id} went from term ${seen.term} to ${term}`);
    seen.term = term;
    const rose = log.committed >= seen.committed && log.applied >= seen.applied;
    this.check(
      'positionsRise',
      rose,
      () => `${id} no longer has ${seen.committed} as committed or ${seen.applied} as applied`,
    );
    this.check(
      'positionsRise',
      log.applied <= log.applicable,
      () => `${id} applied ${log.applied}, but only ${log.applicable} may be applied`,
    );
    if (raft.role === 'leader') this.#leads(server, raft, seen);
    // A server on an older copy may commit entries that were truncated on the original: the leader
    // counts the entries that the original has acknowledged. No server counts the entries that a
    // server on a copy holds.
    if (log.committed > seen.committed && server.disk.isCopy !== true) {
      const before = this.#entries.committed;
      this.#entries.commits(id, term, seen.committed + 1, log.committed, (index) => log.termAt(index));
      this.counts.commits += this.#entries.committed - before;
    }
    seen.committed = log.committed;
    seen.applied = log.applied;
  }

  issued({ id, disk }: Observed, raft: Raft, { entries }: Write): void {
    const { log } = raft;
    const [first] = entries;
    if (first === undefined) return;
    if (first.index <= disk.issuedLast) this.counts.truncations += 1;
    for (const entry of entries) {
      const before = log.membershipAt(entry.index - 1)?.membership;
      if (before !== undefined) this.#levels.stamps(id, entry, before.level);
      if (entry.kind === 'membership') this.#membershipChanges(id, raft, entry);
    }
    this.#entries.issued(id, log.termAt(first.index - 1) ?? 0, entries);
  }

  sent({ id, disk }: Observed, to: ServerId, message: Message): void {
    const durable = Math.max(disk.ballot?.term ?? 0, disk.entries.at(-1)?.term ?? 0);
    this.#ballots.sent(id, to, message, durable, disk.isCopy !== true);
    this.#levels.sent(id, message);
  }

  applied({ id, disk }: Observed, entries: readonly Entry[]): void {
    if (disk.isCopy === true) return;
    for (const entry of entries) {
      const { index, term } = entry;
      this.check(
        'commitIsDurable',
        disk.holds(index, term),
        () => `${id} applies entry ${index}, which is not on its disk`,
      );
      this.#entries.applied(id, index, term, entry.kind === 'command' ? entry.data : undefined);
    }
  }

  /** Called when a server applies an entry. Used only if each command begins with its number. */
  appliesOnce(id: ServerId, entry: Entry): void {
    if (entry.kind !== 'command') return;
    const { data, index } = entry;
    const command = new DataView(data.buffer, data.byteOffset).getUint32(0);
    const at = this.#indexOf.get(command) ?? index;
    this.#indexOf.set(command, at);
    this.check('appliesOnce', at === index, () => `${id} applies command ${command} at ${at} and at ${index}`);
  }

  acknowledged(index: number): void {
    this.counts.acknowledged += 1;
    this.#freshness.acknowledged(index);
  }

  read(applied: number, floor: number): void {
    this.counts.reads += 1;
    this.#freshness.read(applied, floor);
  }

  // ---- the rules

  #membershipChanges(id: ServerId, { log, ballot, role, level }: Raft, entry: MembershipEntry): void {
    const { index, term, membership } = entry;
    const before = log.membershipAt(index - 1)?.membership;
    if (before === undefined) return;
    this.check(
      'quorumsOverlap',
      quorumsOverlap(before, membership),
      () => `${id} appends membership ${index}, whose quorums need not overlap with those before it`,
    );
    this.#levels.appends(id, level, role === 'leader' && term === ballot.term, entry, before);
  }

  #leads(server: Observed, raft: Raft, seen: Seen): void {
    const { id, incarnation } = server;
    const { log, ballot } = raft;
    const { term } = ballot;
    if (seen.leads !== term) {
      seen.leads = term;
      seen.matches.clear();
      this.counts.elections += 1;
      this.#ballots.leads(`${id}/${incarnation}`, term);
      const votes = log.liveMemberships.some(({ membership }) => isVoter(membership, id));
      this.check('electionSafety', votes, () => `${id} leads term ${term} and is no voter`);
      this.#entries.leads(id, term, (index) => log.termAt(index));
      this.#onElected(id);
    } else {
      // Entries evicted from memory are committed, so `Entries` checks them.
      const held = log.entry(seen.lastIndex);
      const kept = log.lastIndex >= seen.lastIndex && (held === undefined || held === seen.lastEntry);
      this.check('leaderAppendOnly', kept, () => `${id} leads term ${term} and lost its entry ${seen.lastIndex}`);
    }
    seen.lastIndex = log.lastIndex;
    seen.lastEntry = log.entry(log.lastIndex);
    for (const [peer, { match, next, incarnation: life }] of raft.peers ?? []) {
      const before = seen.matches.get(peer);
      const rose = before === undefined || before.incarnation !== life || before.match <= match;
      this.check('positionsRise', rose, () => `${id} lowered the match of ${peer} from ${before?.match} to ${match}`);
      this.check(
        'positionsRise',
        next > match,
        () => `${id} sends entry ${next} to ${peer}, which matches up to ${match}`,
      );
      if (before?.incarnation !== life || before.match !== match) seen.matches.set(peer, { incarnation: life, match });
    }
  }
}
