import { describe, expect, it } from 'vitest';
import { MemoryLevel } from 'memory-level';
import { onDisk, testSnapshotStore } from '@kontiki/testing';
import { SimulatedLevel } from '@kontiki/testing/level';
import { LevelSnapshots } from '../src/level-snapshots.js';
import { alone, onClassicLevel } from './samples.js';

for (const lenient of [false, true]) {
  testSnapshotStore(
    { describe, it, expect },
    {
      name: `LevelSnapshots on a database that ${lenient ? 'passes over' : 'refuses'} what is damaged`,
      place: onDisk((folder) => {
        const database = new SimulatedLevel(folder, { lenient });
        return alone(database, new LevelSnapshots(database));
      }),
    },
  );
}

const real = 'this is a real disk';

testSnapshotStore(
  { describe, it, expect },
  {
    name: 'LevelSnapshots on classic-level',
    place: onClassicLevel((database) => new LevelSnapshots(database)),
    without: { crash: real, damage: real, fail: real, fill: real, operations: real },
  },
);

const memory = 'memory ends with its process';

testSnapshotStore(
  { describe, it, expect },
  {
    name: 'LevelSnapshots on memory-level',
    place: () => {
      const database = new MemoryLevel();
      return { store: () => new LevelSnapshots(database) };
    },
    without: { crash: memory, damage: memory, fail: memory, fill: memory, operations: memory },
  },
);
