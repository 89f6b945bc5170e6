import type { LogStore } from '@kontiki/core';
import type { Crash, Medium } from '@kontiki/testing';
import type { Tape } from './strangers-log.js';

type Bytes = Uint8Array<ArrayBuffer>;
type Write = (held: Bytes) => Bytes;

/**
 * A tape that can crash, fail and be damaged. Users would write a similar class to test a store on
 * their own medium.
 */
export class TapePlace implements Medium<LogStore> {
  readonly #make: (tape: Tape) => LogStore;
  readonly #random: () => number;
  #durable: Bytes = new Uint8Array();
  /** Number of bytes that were already durable before the newest sync. */
  #settled = 0;
  /** Unsynced writes, oldest first. */
  #unsynced: { readonly write: Write; readonly torn?: Write }[] = [];
  /** The store that has locked the tape. */
  #holder: object | undefined;
  /** Identity of the current process. */
  #process = {};
  #operations = 0;
  #armedCrash: { readonly at: number; readonly kind: Crash; readonly crashed: () => void } | undefined;
  #failing: 'write' | 'sync' | undefined;

  constructor(make: (tape: Tape) => LogStore, random: () => number) {
    this.#make = make;
    this.#random = random;
  }

  store(): LogStore {
    const [process, self] = [this.#process, {}];
    return this.#make({
      take: () => {
        if (this.#holder !== undefined) return false;
        this.#holder = self;
        return true;
      },
      release: () => {
        if (this.#holder === self) this.#holder = undefined;
      },
      read: async () => {
        this.#checkAlive(process);
        return this.#written;
      },
      write: async (bytes) => {
        this.#begin(process, 'write');
        const part = Math.floor(this.#random() * bytes.length);
        this.#unsynced.push({
          write: (held) => Buffer.concat([held, bytes]),
          torn: (held) => Buffer.concat([held, bytes.subarray(0, part)]),
        });
      },
      cut: async (length) => {
        this.#begin(process, 'write');
        this.#unsynced.push({ write: (held) => held.slice(0, length) });
      },
      sync: async () => {
        this.#begin(process, 'sync');
        this.#settled = this.#durable.length;
        [this.#durable, this.#unsynced] = [this.#written, []];
      },
    });
  }

  crash(kind: Crash): void {
    [this.#process, this.#holder] = [{}, undefined];
    if (kind === 'power') {
      const kept = Math.floor(this.#random() * (this.#unsynced.length + 1));
      const torn = this.#unsynced[kept]?.torn;
      this.#unsynced.length = kept;
      this.#durable = torn?.(this.#written) ?? this.#written;
      this.#unsynced = [];
    }
    const armed = this.#armedCrash;
    this.#armedCrash = undefined;
    armed?.crashed();
  }

  crashAt(operation: number, kind: Crash): Promise<void> {
    return new Promise((crashed) => (this.#armedCrash = { at: this.#operations + operation, kind, crashed }));
  }

  fail(operation: 'write' | 'sync'): void {
    this.#failing = operation;
  }

  damage(): void {
    const at = Math.floor(this.#random() * this.#settled);
    this.#durable = this.#durable.map((byte, i) => (i === at ? byte ^ (1 << Math.floor(this.#random() * 8)) : byte));
  }

  operations(): number {
    return this.#operations;
  }

  get #written(): Bytes {
    return this.#unsynced.reduce((held, { write }) => write(held), this.#durable);
  }

  #begin(process: object, kind: 'write' | 'sync'): void {
    this.#checkAlive(process);
    this.#operations += 1;
    if (this.#operations === this.#armedCrash?.at) this.crash(this.#armedCrash.kind);
    this.#checkAlive(process);
    if (this.#failing !== kind) return;
    this.#failing = undefined;
    throw new Error(`The tape's ${kind} failed.`);
  }

  /** Throws if the calling process has crashed. */
  #checkAlive(process: object): void {
    if (process !== this.#process) throw new Error('The process has crashed.');
  }
}
