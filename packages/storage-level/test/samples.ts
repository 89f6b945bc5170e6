import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { membershipOf, type Entry } from '@kontiki/core';
import type { Place } from '@kontiki/testing';
import type { Database } from '../src/room.js';

export const owner = { cluster: 'test', server: 'a' };
export const membership = membershipOf(['a', 'b'].map((id) => [id, { address: `ws://${id}`, metadata: '' }]));
export const first: Entry = { kind: 'membership', index: 1, term: 1, membership };

export function command(index: number, term: number, length = 20): Entry {
  return { kind: 'command', index, term, data: new Uint8Array(length).fill(index & 0xff) };
}

export function commands(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => command(from + i, term));
}

interface Closing {
  close(): Promise<void>;
  open(owner: { readonly cluster: string; readonly server: string }): Promise<unknown>;
}

/** A store that has its database for itself, and opens and closes it with itself: so every test opens what is on the disk. */
export function alone<Store extends Closing>(database: Database, store: Store): Store {
  const [open, close] = [store.open.bind(store), store.close.bind(store)];
  const mine = { open: false };
  return Object.assign(store, {
    open: async (of: typeof owner) => {
      const state = await open(of).catch(async (error: unknown) => {
        if (!mine.open) await database.close();
        throw error;
      });
      mine.open = true;
      return state;
    },
    close: async () => {
      await close();
      mine.open = false;
      await database.close();
    },
  });
}

/** Places in folders of this machine, for stores on `classic-level`. */
export function onClassicLevel<Store extends Closing>(make: (database: Database) => Store): () => Place<Store> {
  return () => {
    const folder = mkdtempSync(join(tmpdir(), 'kontiki-level-'));
    const databases: ClassicLevel[] = [];
    return {
      store: () => {
        const database = new ClassicLevel(folder);
        databases.push(database);
        return alone(database, make(database));
      },
      remove: async () => {
        await Promise.all(databases.map((database) => database.close()));
        rmSync(folder, { recursive: true });
      },
    };
  };
}
