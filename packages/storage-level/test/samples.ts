import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { MemoryLevel } from 'memory-level';
import { isKontikiError, membershipOf, type Entry } from '@kontiki/core';
import type { Folder } from '@kontiki/files';
import { onDisk, type LogStoreSuite, type Medium } from '@kontiki/testing';
import { SimulatedLevel } from '@kontiki/testing/level';
import type { LevelLogOptions } from '../src/level-log.js';
import type { Database } from '../src/namespace.js';

export const owner = { cluster: 'test', server: 'a' };
/** A membership of feature level 0, as written by earlier versions. */
export const membership = membershipOf(
  ['a', 'b'].map((id) => [id, { address: `ws://${id}`, metadata: '' }]),
  [],
  0,
);
export const first: Entry = { kind: 'membership', index: 1, term: 1, membership };

export function command(index: number, term: number, length = 20): Entry {
  return { kind: 'command', index, term, data: new Uint8Array(length).fill(index & 0xff) };
}

export function commands(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => command(from + i, term));
}

/** Returns the code of the error that a call rejects with. */
export async function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (isKontikiError(error) ? error.code : String(error)),
  );
}

interface Closing {
  close(): Promise<void>;
  open(owner: { readonly cluster: string; readonly server: string }): Promise<unknown>;
}

/**
 * Makes a store open and close its database along with itself, so that every test reopens the data
 * from disk.
 */
function withOwnDatabase<Store extends Closing>(database: Database, store: Store): Store {
  const [open, close] = [store.open.bind(store), store.close.bind(store)];
  let isOpen = false;
  return Object.assign(store, {
    open: async (of: typeof owner) => {
      const state = await open(of).catch(async (error: unknown) => {
        if (!isOpen) await database.close();
        throw error;
      });
      isOpen = true;
      return state;
    },
    close: async () => {
      await close();
      isOpen = false;
      await database.close();
    },
  });
}

/**
 * Returns a function that creates a medium: a folder on this machine, for stores on
 * `classic-level`.
 */
function onClassicLevel<Store extends Closing>(make: (database: Database) => Store): () => Medium<Store> {
  return () => {
    const folder = mkdtempSync(join(tmpdir(), 'kontiki-level-'));
    const databases: ClassicLevel[] = [];
    return {
      store: () => {
        const database = new ClassicLevel(folder);
        databases.push(database);
        return withOwnDatabase(database, make(database));
      },
      remove: async () => {
        await Promise.all(databases.map((database) => database.close()));
        rmSync(folder, { recursive: true });
      },
    };
  };
}

/** Returns a function that creates a simulated disk on which stores can measure the free space. */
function onMeasuredDisk<Store>(
  make: (folder: Folder, options: LevelLogOptions) => Store,
): (random: () => number) => Medium<Store> {
  return (random) => {
    let free = Infinity;
    const medium = onDisk((folder, { clock }) => make(folder, { clock, freeBytes: async () => free }))(random);
    return {
      ...medium,
      fill: (full) => {
        free = full ? 32 * 1024 * 1024 : Infinity;
      },
    };
  };
}

const real = 'a real disk is used';
const memory = 'memory ends with its process';

/**
 * Returns, for each kind of database, the name of a store, its medium, and the capabilities that
 * the medium lacks.
 */
export function onEveryDatabase<Store extends Closing>(
  name: string,
  make: (database: Database, options?: LevelLogOptions) => Store,
): readonly (Omit<LogStoreSuite, 'medium'> & { readonly medium: (random: () => number) => Medium<Store> })[] {
  const simulated = [false, true].map((skipsDamagedBatches) => ({
    name: `${name} on a database that ${skipsDamagedBatches ? 'skips' : 'refuses'} damaged batches`,
    medium: onMeasuredDisk((folder, options) => {
      const database = new SimulatedLevel(folder, { skipsDamagedBatches });
      return withOwnDatabase(database, make(database, options));
    }),
  }));
  return [
    ...simulated,
    {
      name: `${name} on classic-level`,
      medium: onClassicLevel(make),
      without: { crash: real, damage: real, fail: real, fill: real, operations: real },
    },
    {
      name: `${name} on memory-level`,
      medium: () => {
        const database = new MemoryLevel();
        return { store: () => make(database) };
      },
      without: { crash: memory, damage: memory, fail: memory, fill: memory, operations: memory },
    },
  ];
}
