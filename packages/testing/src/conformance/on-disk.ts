import type { Clock } from '@kontiki/core';
import type { Folder } from '@kontiki/files';
import { SimulatedDisk, type DiskOperation, type SimulatedDiskOptions } from '../simulated-disk.js';
import { VirtualClock } from '../virtual-clock.js';
import type { Medium } from './medium.js';

/** The clock and the source of random numbers that a store under test must use. */
export interface StoreEnvironment {
  readonly clock: Clock;
  /** Returns a uniformly distributed number in [0, 1). */
  readonly random: () => number;
}

/**
 * Returns a function that creates media for stores on the `Folder` of `@kontiki/files`. Each medium
 * is a `SimulatedDisk` on virtual time and supports all tests. Set `lies` to make syncs resolve
 * without syncing, to check that a suite detects this.
 */
export function onDisk<Store>(
  make: (folder: Folder, environment: StoreEnvironment) => Store,
  { lies }: Pick<SimulatedDiskOptions, 'lies'> = {},
): (random: () => number) => Medium<Store> {
  return (random) => {
    const clock = new VirtualClock();
    const changing = new Set<DiskOperation['kind']>(['write', 'datasync', 'sync', 'allocate', 'rename', 'remove']);
    let operations = 0;
    let full = false;
    let failing: 'write' | 'sync' | undefined;
    const disk = new SimulatedDisk({
      random,
      lies,
      delay: async ({ kind }) => {
        // Asynchronous writes take several turns, so that tests detect a store that does not await
        // them.
        if (kind === 'write') for (let turns = 30 * random(); turns > 1; turns -= 1) await Promise.resolve();
      },
      fail: ({ kind, grows }) => {
        if (changing.has(kind)) operations += 1;
        if (full && (kind === 'allocate' || grows === true)) return errno('ENOSPC');
        if (failing === undefined || !(kind === failing || (failing === 'sync' && kind === 'datasync')))
          return undefined;
        failing = undefined;
        return errno('EIO');
      },
    });
    return {
      store: () => make(disk.folder, { clock, random }),
      crash: (kind) => disk.crash(kind),
      crashAt: (operation, kind) => {
        disk.crashAt = { operation: disk.operations + operation, kind };
        return new Promise((resolve) => (disk.onCrash = resolve));
      },
      fill: (now) => {
        full = now;
      },
      fail: (operation) => {
        failing = operation;
      },
      damage: () => void disk.flipBit(random),
      operations: () => operations,
      until: (condition) => clock.until(condition),
    };
  };
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}
