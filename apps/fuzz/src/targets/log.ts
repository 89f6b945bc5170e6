import { isKontikiError } from '@kontiki/core';
import { crc32 } from '@kontiki/core/wire';
import { FileLog } from '@kontiki/storage-fs';
import { SimulatedDisk, VirtualClock } from '@kontiki/testing';
import { check, type Target } from '../target.js';
import { command, membership, owner } from './samples.js';

const NAME = 'wal-0000000001';

const logOn = (disk: SimulatedDisk): FileLog =>
  new FileLog(disk.folder, { segmentBytes: 1_024, clock: new VirtualClock(), random: () => 0.5 });

async function written(write: (log: FileLog) => Promise<void>): Promise<Uint8Array> {
  const disk = new SimulatedDisk();
  const log = logOn(disk);
  await log.open(owner);
  await write(log);
  await log.close();
  return disk.contents(NAME);
}

const CODES = new Set(['KONTIKI_CORRUPT', 'KONTIKI_FORMAT', 'KONTIKI_FOREIGN_DATA', 'KONTIKI_LOST_DATA']);

export const log: Target = {
  name: 'log',
  about: 'FileLog.open of @kontiki/storage-fs with a segment, and reads and writes of what it accepts',
  seeds: async () => [
    await written(async () => {}),
    await written(async (log) => {
      await log.append({ entries: [{ kind: 'membership', index: 1, term: 1, membership }] });
      for (let index = 2; index < 5; index += 1)
        await log.append({ ballot: { term: index, votedFor: 'a' }, entries: [command(index, index)], committed: 1 });
    }),
    await written(async (log) => {
      await log.reset({ index: 7, term: 2, membership: { index: 1, membership }, genesis: 77 });
      await log.append({ entries: [command(8, 2), command(9, 3)] });
      await log.compact({ index: 8, term: 2, membership: { index: 1, membership }, genesis: 77 });
    }),
  ],
  run: async (input) => {
    const disk = new SimulatedDisk();
    await disk.folder.create(NAME);
    disk.overwrite(NAME, input);
    const log = logOn(disk);
    const { base, last, ballot } = await log.open(owner);
    try {
      for (const number of [base.index, base.term, last, ballot?.term ?? 0])
        check(Number.isSafeInteger(number) && number >= 0, `${number} is a safe integer`);
      const entries = last > base.index ? await log.read(base.index + 1, last, Infinity) : [];
      check(entries.length <= last - base.index, 'a log returns at most its own entries');
      if (last < Number.MAX_SAFE_INTEGER - 1) {
        const term = Math.max(1, base.term, entries.at(-1)?.term ?? 0);
        await log.append({ entries: [command(last + 1, term)] });
      }
    } finally {
      await log.close();
    }
    return true;
  },
  isExpected: (error) => isKontikiError(error) && CODES.has(error.code),
  repair: (input) => {
    const view = new DataView(input.buffer, input.byteOffset, input.length);
    if (input.length < 44) return;
    const header = view.getUint32(4, true);
    if (header > input.length) return;
    view.setUint32(0, crc32(input.subarray(4, header)), true);
    for (let at = header; at + 24 <= input.length;) {
      const end = at + ((24 + view.getUint32(at + 8, true) + 7) & ~7);
      if (end <= at || end > input.length) return;
      if (view.getUint32(at + 4, true) === view.getUint32(16, true))
        view.setUint32(at, crc32(input.subarray(at + 4, end)), true);
      at = end;
    }
  },
};
