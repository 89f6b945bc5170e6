// Fills the disk of a LevelDB while its log and a snapshot are written, and frees it again. Prints
// what the log reported.
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { membershipOf } from '@kontiki/core';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';

const owner = { cluster: 'test', server: 'a' };
const membership = membershipOf([['a', { address: 'ws://a', metadata: '' }]]);
const filler = join(process.argv[2], 'filler');

function fill() {
  const file = openSync(filler, 'w');
  try {
    for (const size of [1_048_576, 4_096]) {
      try {
        for (;;) writeSync(file, new Uint8Array(size));
      } catch {}
    }
  } finally {
    closeSync(file);
  }
}

const database = new ClassicLevel(join(process.argv[2], 'data'));
const [log, snapshots] = [new LevelLog(database), new LevelSnapshots(database)];
const events = [];
let onChange = () => {};
log.onFull((full) => {
  events.push(full ? 'full' : 'room');
  onChange();
});
await log.open(owner);
await snapshots.open(owner);
const append = async (index) => {
  const entry = { kind: 'command', index, term: 1, data: new Uint8Array(100_000) };
  await log.append({ entries: [entry] }).catch((error) => events.push(error.message));
  events.push(`entry ${index}`);
};
await append(1);
fill();
const changed = new Promise((resolve) => (onChange = resolve));
const waiting = append(2);
await changed;
const writer = await snapshots.create({
  id: 'a'.repeat(32),
  cluster: owner.cluster,
  last: { index: 1, term: 1 },
  membership: { index: 1, membership },
  genesis: 1,
  version: 1,
});
await writer
  .write(new Uint8Array(1))
  .then(() => writer.sync())
  .catch((error) => events.push(error.code));
rmSync(filler);
await waiting;
await append(3);
await log.close();
events.push((await log.open(owner)).last);
await log.close();
await snapshots.close();
await database.close();
console.log(JSON.stringify(events));
