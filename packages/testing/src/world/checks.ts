import { isKontikiError, type Entry, type Message, type ServerId } from '@kontiki/core';
import type { Raft, Write } from '@kontiki/core/protocol';
import type { Mix } from './mix.js';
import type { ModelDisk } from './disk.js';
import { Violation, type Invariant } from './violation.js';

/** What is looked at of a server. */
interface Observed {
  readonly id: ServerId;
  readonly incarnation: number;
  readonly disk: ModelDisk;
  readonly raft: Raft | undefined;
}

/** What one life of a server was last seen at. */
interface Seen {
  term: number;
  committed: number;
  applied: number;
  /** The term it was last seen to lead, and where its log ended then. */
  leads: number;
  lastIndex: number;
  lastEntry: Entry | undefined;
  /** By peer, in the term that it leads. */
  readonly matches: Map<ServerId, { readonly incarnation: number; readonly match: number }>;
}

/** An entry as it was first seen anywhere. */
interface Known {
  readonly term: number;
  readonly prevTerm: number;
  readonly data: Uint8Array | undefined;
}

interface Committed {
  readonly term: number;
  /** The term of the server that was first seen to know. */
  readonly inTerm: number;
}

/** What happened in a world: a world in which nothing happens proves nothing. */
export interface Counts {
  elections: number;
  truncations: number;
  crashes: number;
  restarts: number;
  reads: number;
  commits: number;
  acknowledged: number;
  lostWrites: number;
}

/** Looks at a world after every event, at what has changed since the one before. */
export class Checks {
  /** Everything up to here was acknowledged to somebody, or seen by a read. */
  floor = 0;
  readonly counts: Counts = {
    elections: 0,
    truncations: 0,
    crashes: 0,
    restarts: 0,
    reads: 0,
    commits: 0,
    acknowledged: 0,
    lostWrites: 0,
  };
  readonly #enabled: ReadonlySet<Invariant>;
  readonly #mix: Mix;
  readonly #servers: () => readonly Observed[];
  readonly #seen = new Map<ServerId, Seen>();
  readonly #leaders = new Map<number, string>();
  readonly #votes = new Map<string, ServerId>();
  /** The highest term that a server has spoken in, over all its lives. */
  readonly #spoken = new Map<ServerId, number>();
  /** By index: the entries of different terms that were ever in some log there. */
  readonly #known: Known[][] = [];
  /** By index - 1. The first entry, the membership, is committed by definition. */
  readonly #committed: Committed[] = [{ term: 1, inTerm: 0 }];
  readonly #appliedAt = new Map<number, number>();

  readonly #elected: (id: ServerId) => void;

  /** `elected` is told of every new leader. */
  constructor(
    enabled: ReadonlySet<Invariant>,
    mix: Mix,
    servers: () => readonly Observed[],
    elected: (id: ServerId) => void,
  ) {
    this.#enabled = enabled;
    this.#mix = mix;
    this.#servers = servers;
    this.#elected = elected;
  }

  must(invariant: Invariant, holds: boolean, broken: () => string): void {
    if (!holds && this.#enabled.has(invariant)) throw new Violation(invariant, broken());
  }

  threw(id: ServerId, error: unknown): void {
    if (error instanceof Violation) throw error;
    if (!isKontikiError(error)) throw error;
    if (this.#enabled.has('assertions')) throw new Violation('assertions', `${id}: ${error.message}`, { cause: error });
  }

  // ---- what servers do

  started({ id }: Observed, { ballot, log }: Raft): void {
    const spoken = this.#spoken.get(id) ?? 0;
    this.must('termsRise', ballot.term >= spoken, () => `${id} spoke in term ${spoken} and starts in ${ballot.term}`);
    const { committed, applied } = log;
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

  /** Such a server remembers nothing, and may say so. */
  wiped({ id }: Observed): void {
    this.#spoken.delete(id);
  }

  turned(server: Observed, raft: Raft): void {
    const seen = this.#seen.get(server.id) as Seen;
    const { log, ballot } = raft;
    const { id } = server;
    const { term } = ballot;
    this.must('termsRise', term >= seen.term, () => `${id} went from term ${seen.term} to ${term}`);
    seen.term = term;
    const rose = log.committed >= seen.committed && log.applied >= seen.applied;
    this.must(
      'positionsRise',
      rose,
      () => `${id} forgot that ${seen.committed} was committed, ${seen.applied} applied`,
    );
    this.must('positionsRise', log.applied <= log.applicable, () => `${id} applied ${log.applied}, too early`);
    if (raft.role === 'leader') this.#leads(server, raft, seen);
    if (log.committed > seen.committed) this.#commits(id, raft, seen.committed + 1);
    seen.committed = log.committed;
    seen.applied = log.applied;
    this.#bounds(id, raft);
  }

  issued({ id, disk }: Observed, { log }: Raft, { entries }: Write): void {
    const [first] = entries;
    if (first === undefined) return;
    if (first.index <= disk.issuedLast) this.counts.truncations += 1;
    let prevTerm = log.termAt(first.index - 1) ?? 0;
    for (const entry of entries) {
      const { index, term } = entry;
      const data = entry.kind === 'command' ? entry.data : undefined;
      const here = (this.#known[index] ??= []);
      const known = here.find((other) => other.term === term);
      if (known === undefined) here.push({ term, prevTerm, data });
      else {
        const same = known.prevTerm === prevTerm && known.data === data;
        this.must(
          'logMatching',
          same,
          () => `${id} holds another entry ${index} of term ${term}, or other ones before`,
        );
      }
      prevTerm = term;
    }
  }

  /** A turn fills a window at the most, and answers what it was told: never anywhere near a thousand messages. */
  mailed({ id, raft }: Observed, count: number): void {
    const most = this.#mix.limits.windowMessages + 1_000;
    this.must('queuesAreBounded', count <= most, () => `${id} (${raft?.role}) sends ${count} messages in one turn`);
  }

  sent({ id, disk }: Observed, to: ServerId, message: Message): void {
    const { kind, term } = message;
    if (kind === 'preVote') return;
    if (term > (this.#spoken.get(id) ?? 0)) this.#spoken.set(id, term);
    const durable = Math.max(disk.ballot?.term ?? 0, disk.entries.at(-1)?.term ?? 0);
    this.must(
      'termIsDurable',
      term <= durable,
      () => `${id} sends ${kind} of term ${term}, with ${durable} on its disk`,
    );
    if (kind === 'vote') this.#voted(id, term, id);
    else if (kind === 'voteReply' && message.granted) this.#voted(id, term, to);
  }

  applied({ id, disk }: Observed, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { index, term } = entry;
      this.must('commitIsDurable', disk.holds(index, term), () => `${id} applies ${index}, which is not on its disk`);
      const committed = this.#committed[index - 1]?.term;
      const agreed = committed === undefined || committed === term;
      this.must(
        'stateMachineSafety',
        agreed,
        () => `${id} applies entry ${index} of term ${term}, not of ${committed}`,
      );
      const before = this.#appliedAt.get(index);
      this.must('stateMachineSafety', before === undefined || before === term, () => `two entries applied at ${index}`);
      this.#appliedAt.set(index, term);
    }
  }

  acknowledged(index: number): void {
    this.counts.acknowledged += 1;
    this.floor = Math.max(this.floor, index);
  }

  read(applied: number, floor: number): void {
    this.counts.reads += 1;
    this.must('readsAreFresh', applied >= floor, () => `a read saw ${applied}, and ${floor} was known before it began`);
    this.floor = Math.max(this.floor, applied);
  }

  // ---- the rules

  #voted(voter: ServerId, term: number, candidate: ServerId): void {
    const key = `${voter}/${term}`;
    const before = this.#votes.get(key);
    const once = before === undefined || before === candidate;
    this.must('oneVoteATerm', once, () => `${voter} votes for ${before} and ${candidate} in term ${term}`);
    this.#votes.set(key, candidate);
  }

  #leads(server: Observed, raft: Raft, seen: Seen): void {
    const { id, incarnation } = server;
    const { log, ballot } = raft;
    const { term } = ballot;
    if (seen.leads !== term) {
      seen.leads = term;
      seen.matches.clear();
      this.counts.elections += 1;
      const life = `${id}/${incarnation}`;
      const other = this.#leaders.get(term) ?? life;
      this.must('electionSafety', other === life, () => `${other} and ${life} lead term ${term}`);
      this.#leaders.set(term, life);
      this.#isComplete(id, raft);
      this.#elected(id);
    } else {
      // What has left memory is committed, and looked at elsewhere.
      const held = log.entry(seen.lastIndex);
      const kept = log.lastIndex >= seen.lastIndex && (held === undefined || held === seen.lastEntry);
      this.must(
        'leaderAppendOnly',
        kept,
        () => `${id} leads term ${term} and no longer holds its entry ${seen.lastIndex}`,
      );
    }
    seen.lastIndex = log.lastIndex;
    seen.lastEntry = log.entry(log.lastIndex);
    this.#isHeard(id, raft);
    for (const [peer, { match, next, incarnation: life, window }] of raft.peers ?? []) {
      const before = seen.matches.get(peer);
      const rose = before === undefined || before.incarnation !== life || before.match <= match;
      this.must('positionsRise', rose, () => `${id} says ${peer} matches up to ${match}, after ${before?.match}`);
      this.must('positionsRise', next > match, () => `${id} sends ${peer} entry ${next}, which matches up to ${match}`);
      if (before?.incarnation !== life || before.match !== match) seen.matches.set(peer, { incarnation: life, match });
      const { windowMessages } = this.#mix.limits;
      this.must(
        'queuesAreBounded',
        window.size <= windowMessages,
        () => `${window.size} messages to ${peer} under way`,
      );
    }
  }

  /** No leader leads for long without a majority's answers. Where time itself is broken nobody can tell how long. */
  #isHeard(id: ServerId, { peers, now, timings }: Raft): void {
    const { pauses, lateTimers, slowLoops, retimings } = this.#mix.strength;
    if (pauses + lateTimers + slowLoops + retimings > 0) return;
    const longest = 2 * timings.election + timings.heartbeat;
    let heard = 1;
    for (const { lastActive } of peers?.values() ?? []) if (now - lastActive <= longest) heard += 1;
    this.must('leadsByRight', heard * 2 > this.#mix.servers, () => `${id} leads and hears ${heard - 1} others`);
  }

  /** Holds every entry that was committed in an earlier term: log matching makes the last of them enough. */
  #isComplete(id: ServerId, { log, ballot }: Raft): void {
    const index = this.#committed.findLastIndex(({ inTerm }) => inTerm < ballot.term) + 1;
    if (index === 0) return;
    const complete = log.termAt(index) === this.#committed[index - 1]?.term;
    this.must('leaderCompleteness', complete, () => `${id} leads term ${ballot.term} without committed entry ${index}`);
  }

  #commits(id: ServerId, { log, ballot }: Raft, from: number): void {
    for (let index = from; index <= log.committed; index += 1) {
      const term = log.termAt(index) as number;
      const known = this.#committed[index - 1];
      if (known !== undefined) {
        this.must('stateMachineSafety', known.term === term, () => `${id} commits another entry ${index}`);
        continue;
      }
      const disks = this.#servers().filter(({ disk }) => disk.holds(index, term)).length;
      const durable = disks * 2 > this.#mix.servers;
      this.must('commitIsDurable', durable, () => `${id} commits ${index}, which is on ${disks} disks`);
      this.#committed.push({ term, inTerm: ballot.term });
      this.counts.commits += 1;
    }
  }

  #bounds(id: ServerId, raft: Raft): void {
    const { log, uncommittedBytes } = raft;
    const { limits, commandBytes } = this.#mix;
    const entry = commandBytes + 1_000;
    const uncommitted = uncommittedBytes >= 0 && uncommittedBytes <= limits.uncommittedBytes + entry;
    this.must('queuesAreBounded', uncommitted, () => `${id} holds ${uncommittedBytes} uncommitted bytes`);
    // A follower's share, and what it may have added since it led.
    const added = this.#seen.get(id)?.leads === 0 ? 0 : limits.uncommittedBytes;
    const undurable = limits.undurableBytes + limits.messageBytes + added + entry;
    this.must('queuesAreBounded', log.undurableBytes <= undurable, () => `${id} awaits ${log.undurableBytes} bytes`);
    if (log.applied < log.lastIndex) return;
    this.must('queuesAreBounded', log.heldBytes <= limits.tailBytes, () => `${id} keeps ${log.heldBytes} bytes`);
  }
}
