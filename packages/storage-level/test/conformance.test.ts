import { describe, expect, it } from 'vitest';
import { testLogStore, testSnapshotStore } from '@kontiki/testing';
import { LevelLog } from '../src/level-log.js';
import { LevelSnapshots } from '../src/level-snapshots.js';
import { onEveryDatabase } from './samples.js';

for (const suite of onEveryDatabase('LevelLog', (database, options) => new LevelLog(database, options))) {
  testLogStore({ describe, it, expect }, suite);
}

for (const suite of onEveryDatabase('LevelSnapshots', (database, options) => new LevelSnapshots(database, options))) {
  testSnapshotStore({ describe, it, expect }, suite);
}
