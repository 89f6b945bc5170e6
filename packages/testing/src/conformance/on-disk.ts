import type { Clock } from '@kontiki/core';
import type { Folder } from '@kontiki/files';
import { SimulatedDisk, type DiskOperation, type SimulatedDiskOptions } from '../simulated-disk.js';
import { VirtualClock } from '../virtual-clock.js';
import type { Medium } from './medium.js';

/** What a store is made with beside its folder. */
export interface StoreEnvironment {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Places for stores that are written on the port of `@kontiki/files`: each a simulated disk of its own, on virtual time,
 * that does everything a medium can. `lies` makes syncs lie, to see the suite fail.
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
        // What is written beside its caller takes its time, so that who does not wait for it shows it.
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
