import { describe, expect, it } from 'vitest';
import { testLogStore, testSnapshotStore } from '@kontiki/testing';
import { LevelLog } from '../src/level-log.js';
import { LevelSnapshots } from '../src/level-snapshots.js';
import { onEveryDatabase } from './samples.js';

const full = 'a database does not report how much room it has left';

for (const suite of onEveryDatabase('LevelLog', (database) => new LevelLog(database))) {
  testLogStore({ describe, it, expect }, { ...suite, without: { ...suite.without, fill: full } });
}

for (const suite of onEveryDatabase('LevelSnapshots', (database) => new LevelSnapshots(database))) {
  testSnapshotStore({ describe, it, expect }, suite);
}
