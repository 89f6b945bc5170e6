import { describe, expect, it } from 'vitest';
import { MemoryLevel } from 'memory-level';
import { onDisk, testLogStore } from '@kontiki/testing';
import { SimulatedLevel } from '@kontiki/testing/level';
import { LevelLog } from '../src/level-log.js';
import { alone, onClassicLevel } from './samples.js';

const full = 'a database does not say how much room it has left';

for (const lenient of [false, true]) {
  testLogStore(
    { describe, it, expect },
    {
      name: `LevelLog on a database that ${lenient ? 'passes over' : 'refuses'} what is damaged`,
      place: onDisk((folder) => {
        const database = new SimulatedLevel(folder, { lenient });
        return alone(database, new LevelLog(database));
      }),
      without: { fill: full },
    },
  );
}

const real = 'this is a real disk';

testLogStore(
  { describe, it, expect },
  {
    name: 'LevelLog on classic-level',
    place: onClassicLevel((database) => new LevelLog(database)),
    without: { crash: real, damage: real, fail: real, fill: full, operations: real },
  },
);

const memory = 'memory ends with its process';

testLogStore(
  { describe, it, expect },
  {
    name: 'LevelLog on memory-level',
    place: () => {
      const database = new MemoryLevel();
      return { store: () => new LevelLog(database) };
    },
    without: { crash: memory, damage: memory, fail: memory, fill: full, operations: memory },
  },
);
