import type { Entry, ServerId } from '@kontiki/core';
import type { Mail, PageRead, Raft, RawNode, Report, TurnHooks } from '@kontiki/core/protocol';
import type { Checks } from '../world/fast/checks.js';
import { WaitingProposals, WaitingReads } from '../world/fast/waiting.js';
import { ScenarioDisk } from './disk.js';
import type { ScenarioNetwork } from './network.js';

/** A server of a scenario: a `RawNode`, a disk, and the waiting proposals and reads. */
export class ScenarioServer {
  readonly id: ServerId;
  readonly disk: ScenarioDisk = new ScenarioDisk();
  raw!: RawNode;
  incarnation = 0;
  up = false;
  /** The wall clock minus the monotonic clock, in milliseconds. */
  wallOffset = 0;
  /** The entries applied since the last start. */
  applied: Entry[] = [];
  /**
   * All reports of this server since the scenario began, including those of its earlier processes.
   */
  readonly reports: Report[] = [];
  /**
   * Answers to reads since the last start. Each answer maps a read's number to the index that must
   * be applied before serving it and all earlier reads.
   */
  readonly answers: Map<number, number> = new Map();
  readonly proposals: WaitingProposals;
  readonly reads: WaitingReads;
  readonly #checks: Checks;
  readonly #network: ScenarioNetwork;
  #pageReads: PageRead[] = [];

  constructor(id: ServerId, checks: Checks, network: ScenarioNetwork) {
    this.id = id;
    this.proposals = new WaitingProposals(checks);
    this.reads = new WaitingReads(checks);
    this.#checks = checks;
    this.#network = network;
  }

  get raft(): Raft {
    return this.raw.raft;
  }

  start(raw: RawNode, incarnation: number, now: number): void {
    this.raw = raw;
    this.incarnation = incarnation;
    this.up = true;
    this.#checks.started(this, raw.raft);
    this.turn(now, { timers: 'skip' });
  }

  /** Stops the process. Only the disk's contents survive. */
  stop(): void {
    this.up = false;
    this.applied = [];
    this.answers.clear();
    this.#pageReads = [];
    this.proposals.abandon();
    this.reads.abandon();
  }

  /** Takes a turn and carries out its output. Writes are issued but not finished yet. */
  turn(now: number, hooks: TurnHooks): void {
    const turn = this.raw.turn(now, hooks, this.wallOffset);
    for (const mail of turn.mail) this.#send(mail);
    if (turn.write !== undefined) {
      this.#checks.issued(this, this.raft, turn.write);
      this.disk.issue(turn.write);
    }
    this.#pageReads.push(...turn.pageReads);
    this.reports.push(...turn.reports);
    if (turn.reads !== undefined) {
      this.answers.set(turn.reads.ticket, turn.reads.index);
      this.reads.confirm(turn.reads);
    }
    this.#apply();
    this.#checks.turned(this, this.raft);
    if (turn.needsAnotherTurn) this.turn(now, { timers: hooks.timers === 'auto' ? 'auto' : 'skip' });
  }

  /**
   * Finishes the oldest write, which releases the messages that wait for it. Returns false if no
   * write is in progress.
   */
  write(now: number): boolean {
    const write = this.disk.finish();
    if (write === undefined) return false;
    this.raw.written(write.number);
    this.turn(now, { timers: 'skip' });
    return true;
  }

  /**
   * Answers the oldest request for entries that were evicted from memory. Returns false if there is
   * no request.
   */
  readPage(now: number): boolean {
    const read = this.#pageReads.shift();
    if (read === undefined) return false;
    this.raw.pageRead(read, this.disk.read(read));
    this.turn(now, { timers: 'skip' });
    return true;
  }

  #send(mail: Mail): void {
    for (const [to, messages] of mail) {
      for (const message of messages) {
        this.#checks.sent(this, to, message);
        this.#network.send({ from: this.id, to, message });
      }
    }
  }

  #apply(): void {
    const { log } = this.raft;
    while (log.applied < log.applicable) {
      const entry = this.disk.entries[log.applied] as Entry;
      this.#checks.applied(this, [entry]);
      this.applied.push(entry);
      this.raw.applied(entry.index);
      this.proposals.settle(entry);
    }
    this.reads.serve(log.applied);
  }
}
