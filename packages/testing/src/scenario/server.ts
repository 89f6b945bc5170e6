import type { Entry, ServerId } from '@kontiki/core';
import type { PageRead, Mail, Output, Raft, Report } from '@kontiki/core/protocol';
import type { Checks } from '../world/fast/checks.js';
import { WaitingProposals, WaitingReads } from '../world/fast/waiting.js';
import { ScenarioDisk } from './disk.js';
import type { ScenarioNet } from './net.js';

/** One server of a scenario: a pure `Raft`, its disk, and what is under way between them. */
export class ScenarioServer {
  readonly id: ServerId;
  readonly disk: ScenarioDisk = new ScenarioDisk();
  raft!: Raft;
  incarnation = 0;
  up = false;
  /** Everything applied in this life. */
  applied: Entry[] = [];
  /** Everything reported, in all lives. */
  readonly reports: Report[] = [];
  /** By the newest read that it answers, in this life: the index that must be applied to serve it. */
  readonly answers: Map<number, number> = new Map();
  readonly proposals: WaitingProposals;
  readonly reads: WaitingReads;
  readonly #checks: Checks;
  readonly #net: ScenarioNet;
  #held: { readonly after: number; readonly mail: Mail }[] = [];
  #loads: PageRead[] = [];

  constructor(id: ServerId, checks: Checks, net: ScenarioNet) {
    this.id = id;
    this.proposals = new WaitingProposals(checks);
    this.reads = new WaitingReads(checks);
    this.#checks = checks;
    this.#net = net;
  }

  start(raft: Raft, incarnation: number): void {
    this.raft = raft;
    this.incarnation = incarnation;
    this.up = true;
    this.#checks.started(this, raft);
    this.turn();
  }

  /** Loses everything but its disk. */
  stop(): void {
    this.up = false;
    this.applied = [];
    this.answers.clear();
    this.#held = [];
    this.#loads = [];
    this.proposals.abandon();
    this.reads.abandon();
  }

  /** Takes what has become due and puts it where it belongs. */
  turn(): void {
    const { raft } = this;
    const output = raft.takeOutput();
    this.#send(output.messages);
    this.#issue(output);
    this.#loads.push(...output.pageReads);
    this.reports.push(...output.reports);
    if (output.reads !== undefined) {
      this.answers.set(output.reads.ticket, output.reads.index);
      this.reads.confirm(output.reads);
    }
    this.#apply();
    this.#checks.turned(this, raft);
    if (output.needsAnotherTurn) this.turn();
  }

  /** Finishes the oldest write, and sends what waited for it. */
  write(): boolean {
    const write = this.disk.finish();
    if (write === undefined) return false;
    this.raft.persisted(write.number);
    this.turn();
    this.#release();
    return true;
  }

  /** Answers the oldest request for entries that have left memory. */
  load(): boolean {
    const load = this.#loads.shift();
    if (load === undefined) return false;
    this.raft.pageRead(load, this.disk.read(load));
    this.turn();
    return true;
  }

  #issue({ write, after, afterWrite }: Output): void {
    if (write !== undefined) {
      this.#checks.issued(this, this.raft, write);
      this.disk.issue(write);
    }
    if (afterWrite.size > 0) this.#held.push({ after, mail: afterWrite });
    this.#release();
  }

  #release(): void {
    const { lastDurableWrite } = this.raft.log;
    const due = this.#held.filter(({ after }) => after <= lastDurableWrite);
    this.#held = this.#held.filter(({ after }) => after > lastDurableWrite);
    for (const { mail } of due) this.#send(mail);
  }

  #send(mail: Mail): void {
    for (const [to, messages] of mail) {
      for (const message of messages) {
        this.#checks.sent(this, to, message);
        this.#net.send({ from: this.id, to, message });
      }
    }
  }

  #apply(): void {
    const { log } = this.raft;
    while (log.applied < log.applicable) {
      const entry = this.disk.entries[log.applied] as Entry;
      this.#checks.applied(this, [entry]);
      this.applied.push(entry);
      this.raft.applied(entry.index);
      this.proposals.settle(entry);
    }
    this.reads.serve(log.applied);
  }
}
