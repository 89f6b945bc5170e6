import { KontikiError } from '../errors.js';
import type { Ballot } from '../log/ballot.js';
import type { Entry } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { LogStore } from '../ports/log-store.js';
import type { Message } from '../protocol/message.js';
import type { PageRead, Mail, Output, Write } from '../protocol/output.js';
import type { Raft } from '../protocol/raft.js';
import { genesisOf } from '../wire/genesis.js';
import type { TransportSwitch } from './transport-switch.js';

/** What takes part in a turn besides the ports. */
export interface TurnOwner {
  /** Callers' inputs go in. */
  takeInputs(): void;
  /** What has come out of the turn is under way. */
  turned(output: Output): void;
  /** The server cannot go on. */
  failed(error: Error): void;
}

export interface DriverOptions {
  readonly raft: Raft;
  readonly log: LogStore;
  readonly carrier: TransportSwitch;
  readonly clock: Clock;
  readonly owner: TurnOwner;
  /** The checksum of the cluster's first entry, as the log told it. */
  readonly genesis: number | undefined;
}

/** Mail that leaves when write `after` is durable. */
interface HeldMail {
  readonly after: number;
  readonly mail: Mail;
}

/**
 * Turns `Raft` over: everything that waits goes in, one output comes out and is carried out on the ports. What piles up
 * while the disk or the network is busy becomes the next batch.
 */
export class Driver {
  readonly #raft: Raft;
  readonly #log: LogStore;
  readonly #carrier: TransportSwitch;
  readonly #clock: Clock;
  readonly #owner: TurnOwner;
  readonly #timer: Timer;
  #genesis: number | undefined;
  #inbox: { from: ServerId; message: Message }[] = [];
  #held: HeldMail[] = [];
  #persisted = 0;
  #memberships: readonly MembershipAt[] = [];
  /** What the timer is set to: a turn that comes long after it is late. */
  #dueAt = Infinity;
  #scheduled = false;
  /** The turn that saw the time late let the arrivals in; the next one tells the time. */
  #lettingIn = false;
  #stopped = false;

  constructor({ raft, log, carrier, clock, owner, genesis }: DriverOptions) {
    this.#raft = raft;
    this.#log = log;
    this.#carrier = carrier;
    this.#clock = clock;
    this.#owner = owner;
    this.#genesis = genesis;
    this.#timer = clock.timer(() => this.#turn());
  }

  /** The checksum of the cluster's first entry; undefined while this server is blank. */
  get genesis(): number | undefined {
    return this.#genesis;
  }

  /** A blank server learns by its first snapshot which cluster's data it holds. */
  learnGenesis(genesis: number): void {
    this.#genesis ??= genesis;
  }

  receive(from: ServerId, message: Message): void {
    if (this.#stopped) return;
    this.#inbox.push({ from, message });
    this.schedule();
  }

  /** Something waits: a turn comes soon. */
  schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#clock.defer(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  /** No turn comes any more. */
  stop(): void {
    this.#stopped = true;
    this.#timer.close();
    this.#inbox = [];
    this.#held = [];
  }

  #turn(): void {
    if (this.#stopped) return;
    try {
      const raft = this.#raft;
      const now = this.#clock.now();
      // A wake-up this late is a blocked event loop or a suspended process: others' silence proves nothing then.
      const late = now > this.#dueAt + raft.timings.heartbeat;
      raft.advance(now);
      this.#takeInputs();
      const letIn = late && !this.#lettingIn;
      if (letIn) this.schedule();
      else raft.tick(late || this.#lettingIn);
      this.#lettingIn = letIn;
      const output = raft.takeOutput();
      this.#carryOut(output);
      this.#owner.turned(output);
      // A listener may have closed the node.
      if (this.#stopped) return;
      this.#dueAt = letIn ? Infinity : raft.wakeAt;
      this.#timer.set(this.#dueAt);
      if (output.needsAnotherTurn) this.schedule();
    } catch (error) {
      this.#owner.failed(error as Error);
    }
  }

  #takeInputs(): void {
    const raft = this.#raft;
    if (this.#persisted > raft.log.lastDurableWrite) {
      raft.persisted(this.#persisted);
      while (this.#held[0] !== undefined && this.#held[0].after <= this.#persisted) {
        this.#send((this.#held.shift() as HeldMail).mail);
      }
    }
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const { from, message } of inbox) raft.step(from, message);
    this.#owner.takeInputs();
  }

  #carryOut(output: Output): void {
    this.#followMembership();
    this.#send(output.messages);
    if (output.write !== undefined) this.#write(output.write);
    if (output.afterWrite.size > 0) {
      if (output.after <= this.#raft.log.lastDurableWrite) this.#send(output.afterWrite);
      else this.#held.push({ after: output.after, mail: output.afterWrite });
    }
    for (const load of output.pageReads) this.#load(load);
  }

  #send(mail: Mail): void {
    for (const [to, messages] of mail) this.#carrier.send(to, messages);
  }

  #write({ number, ballot, reset, entries, committed }: Write): void {
    const [first] = entries;
    if (first?.index === 1 && first.kind === 'membership') this.#genesis = genesisOf(first);
    const append = (): Promise<void> => this.#log.append({ ballot, entries, committed });
    const written = reset === undefined ? append() : this.#replace(ballot, reset, append);
    written.then(
      () => {
        this.#persisted = Math.max(this.#persisted, number);
        this.schedule();
      },
      (error: Error) => this.#owner.failed(error),
    );
  }

  /** The ballot first: a log that a snapshot replaces keeps it. All calls are made at once, and are durable in this order. */
  async #replace(ballot: Ballot | undefined, reset: Base, append: () => Promise<void>): Promise<void> {
    await Promise.all([
      ballot === undefined ? undefined : this.#log.append({ ballot }),
      this.#log.reset({ ...reset, genesis: this.#genesis }),
      append(),
    ]);
  }

  #load(load: PageRead): void {
    this.#log.read(load.from, load.to, load.maxBytes).then(
      (entries) => this.#loaded(load, entries),
      (error: Error) => {
        if (error instanceof KontikiError && error.code === 'KONTIKI_COMPACTED') this.#loaded(load, undefined);
        else this.#owner.failed(error);
      },
    );
  }

  #loaded(load: PageRead, entries: readonly Entry[] | undefined): void {
    if (this.#stopped) return;
    try {
      this.#raft.pageRead(load, entries);
      this.schedule();
    } catch (error) {
      this.#owner.failed(error as Error);
    }
  }

  /** Keeps the transport in touch with every server of a membership that may be in force somewhere. */
  #followMembership(): void {
    const live = this.#raft.log.liveMemberships;
    if (live.length === this.#memberships.length && live.every((at, i) => at === this.#memberships[i])) return;
    this.#memberships = live;
    const peers = new Map<ServerId, string>();
    for (const { membership } of live) {
      for (const [id, { address }] of membership.servers) if (id !== this.#raft.id) peers.set(id, address);
    }
    this.#carrier.setPeers(peers);
  }
}
