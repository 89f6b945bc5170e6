import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bootstrap, type Entry, type LogStore } from '@kontiki/core';
import { FileLog } from '@kontiki/storage-fs';
import { LevelLog } from '@kontiki/storage-level';
import { ClassicLevel } from 'classic-level';
import { figure, showFigure, table } from './figures.js';
import { WRITERS, type Plan } from './plan.js';

const data = new Uint8Array(256).fill(7);

/**
 * Entries per second in one round of measurements. The array has one number for each item of
 * `WRITERS`.
 */
type Rates = number[];

interface Round {
  readonly bare: Rates;
  readonly level: Rates;
  readonly fs: Rates;
}

/**
 * Measures synced appends of 256 B to a file log, to a log in LevelDB, and to LevelDB alone. All
 * three combine waiting appends into one sync.
 */
export async function stores({ path, rounds, milliseconds, onProgress }: Plan): Promise<[string, unknown]> {
  await mkdir(path, { recursive: true });
  const bare = await BareLevel.open(join(path, 'bare'));
  const db = new ClassicLevel(join(path, 'level'));
  const level = await LogAppender.open(new LevelLog(db));
  const fs = await LogAppender.open(new FileLog(join(path, 'fs')));
  const all: Round[] = [];
  try {
    for (const appender of [bare, level, fs]) await rate(appender, 64, milliseconds / 4);
    for (let round = 1; round <= rounds; round += 1) {
      onProgress(`round ${round} of ${rounds}`);
      const rates: Round = { bare: [], level: [], fs: [] };
      for (const writers of WRITERS) {
        rates.bare.push(await rate(bare, writers, milliseconds));
        rates.level.push(await rate(level, writers, milliseconds));
        rates.fs.push(await rate(fs, writers, milliseconds));
      }
      all.push(rates);
    }
    return [report(all), { rounds: all }];
  } finally {
    await bare.close();
    await level.close();
    await fs.close();
    await db.close();
  }
}

interface Appender {
  append(): Promise<void>;
}

/**
 * Returns the number of entries per second that `writers` parallel writers append. Each writer
 * appends one entry at a time.
 */
async function rate(appender: Appender, writers: number, milliseconds: number): Promise<number> {
  const start = performance.now();
  let appended = 0;
  const write = async (): Promise<void> => {
    while (performance.now() - start < milliseconds) {
      await appender.append();
      appended += 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return (appended * 1_000) / (performance.now() - start);
}

/** Appends entries to an open log. */
class LogAppender implements Appender {
  readonly #store: LogStore;
  #last = 1;

  private constructor(store: LogStore) {
    this.#store = store;
  }

  static async open(store: LogStore): Promise<LogAppender> {
    const owner = { cluster: 'bench', server: 'a' };
    await bootstrap(store, { ...owner, members: { a: 'memory:a' } });
    await store.open(owner);
    return new LogAppender(store);
  }

  append(): Promise<void> {
    const entry: Entry = { kind: 'command', index: (this.#last += 1), term: 1, data };
    return this.#store.append({ entries: [entry] });
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/**
 * LevelDB alone, with one key per entry. Writes one synced batch at a time, which contains all
 * appends that arrived while the previous batch was being written.
 */
class BareLevel implements Appender {
  readonly #db: ClassicLevel<Uint8Array, Uint8Array>;
  #last = 0;
  #waiting: { readonly key: Uint8Array; readonly done: () => void }[] = [];
  #busy = false;

  private constructor(db: ClassicLevel<Uint8Array, Uint8Array>) {
    this.#db = db;
  }

  static async open(path: string): Promise<BareLevel> {
    const db = new ClassicLevel<Uint8Array, Uint8Array>(path, { keyEncoding: 'view', valueEncoding: 'view' });
    await db.open();
    return new BareLevel(db);
  }

  append(): Promise<void> {
    const key = new Uint8Array(8);
    new DataView(key.buffer).setUint32(4, (this.#last += 1));
    return new Promise((done) => {
      this.#waiting.push({ key, done });
      if (!this.#busy) void this.#write();
    });
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  async #write(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#db.batch(
        batch.map(({ key }) => ({ type: 'put' as const, key, value: data })),
        { sync: true },
      );
      for (const { done } of batch) done();
    }
    this.#busy = false;
  }
}

function report(rounds: readonly Round[]): string {
  const column = (of: (round: Round) => number): string => showFigure(figure(rounds.map(of)));
  return table([
    [
      'synced appends of 256 B',
      'LevelDB alone per second',
      'storage-level per second',
      'storage-level / LevelDB',
      'storage-fs per second',
      'storage-fs / storage-level',
    ],
    ...WRITERS.map((writers, i) => {
      const at = (rates: Rates): number => rates[i] as number;
      return [
        `${writers} writers`,
        column(({ bare }) => at(bare)),
        column(({ level }) => at(level)),
        column(({ level, bare }) => at(level) / at(bare)),
        column(({ fs }) => at(fs)),
        column(({ fs, level }) => at(fs) / at(level)),
      ];
    }),
  ]);
}
