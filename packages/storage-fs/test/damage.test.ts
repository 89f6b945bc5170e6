// Shows which damage a file log detects when it is opened. Each test flips, truncates or replaces
// bytes of a log, in most cases at every offset, and then opens the damaged log.
import { describe, expect, it } from 'vitest';
import { KontikiError, type LogState } from '@kontiki/core';
import { LEVEL } from '@kontiki/core/protocol';
import { SimulatedDisk } from '@kontiki/testing';
import { FileLog } from '@kontiki/storage-fs';
import { command, first, membership, openLog, owner } from './samples.js';

const NAME = 'wal-0000000001';

/**
 * Returns the offset of the idle mark after the last batch, which is also the offset of the next
 * batch.
 */
function markIn(contents: Uint8Array): number {
  const last = contents.findLastIndex((byte) => byte !== 0);
  return ((last + 8) & ~7) - 24;
}

/**
 * Returns a segment with five batches, and the offset of each batch. The last offset is that of the
 * idle mark.
 */
async function write(): Promise<{ contents: Uint8Array; offsets: number[] }> {
  const disk = new SimulatedDisk();
  const log = openLog(disk, 4_000);
  await log.open(owner);
  const header = new DataView(disk.contents(NAME).buffer).getUint32(4, true);
  const offsets = [header];
  await log.append({ entries: [first] });
  for (let index = 2; index <= 5; index += 1) {
    offsets.push(markIn(disk.contents(NAME)));
    await log.append({ ballot: { term: index, votedFor: 'a' }, entries: [command(index, index)] });
  }
  offsets.push(markIn(disk.contents(NAME)));
  await log.close();
  return { contents: disk.contents(NAME), offsets };
}

/** Opens a log that consists of one segment with the given contents. */
async function open(contents: Uint8Array): Promise<LogState | KontikiError> {
  const disk = new SimulatedDisk();
  const folder = disk.folder;
  await folder.create(NAME);
  disk.overwrite(NAME, contents);
  const log = openLog(disk, 4_000);
  const opened = await log.open(owner).catch((error: KontikiError) => error);
  if (opened instanceof KontikiError) return opened;
  // Check that the log accepts a write, and that the write is found at the next start.
  await log.append({ entries: [command(opened.last + 1, 9)] });
  disk.crash('power');
  const next = await openLog(disk, 4_000).open(owner);
  expect([next.last, next.repairs]).toEqual([opened.last + 1, []]);
  return opened;
}

const batchOf = (offsets: number[], at: number): number => offsets.findLastIndex((place) => place <= at);

describe('a damaged file log', () => {
  it('open reports the file and offset of a flipped bit, or loses nothing', async () => {
    const { contents, offsets } = await write();
    const end = (offsets.at(-1) as number) + 24;
    for (let at = 0; at < end + 40; at += 1) {
      const flipped = contents.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte));
      const opened = await open(flipped);
      if (at < (offsets.at(-1) as number)) {
        expect(opened, `byte ${at}`).toBeInstanceOf(KontikiError);
        const { code, message } = opened as KontikiError;
        expect(code).toBe('KONTIKI_CORRUPT');
        expect(message).toMatch(new RegExp(`${NAME}, byte ${Math.max(0, offsets[batchOf(offsets, at)] ?? 0)}:`));
      } else {
        // The idle mark or a byte after it is damaged. All batches are intact, and the bytes after
        // them are truncated.
        expect(opened).toMatchObject({ last: 5, repairs: [{ where: `disk/${NAME}` }] });
      }
    }
  });

  it('open discards and reports a damaged last batch without an idle mark', async () => {
    const { contents, offsets } = await write();
    const [begin, end] = offsets.slice(-2) as [number, number];
    const unmarked = contents.map((byte, i) => (i >= end ? 0 : byte));
    expect(await open(unmarked)).toMatchObject({ last: 5, repairs: [] });
    for (let at = begin; at < end; at += 1) {
      const flipped = unmarked.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte));
      expect(await open(flipped), `byte ${at}`).toMatchObject({
        last: 4,
        ballot: { term: 4 },
        repairs: [{ offset: begin, where: `disk/${NAME}` }],
      });
    }
  });

  it.each(['zeros', 'end of file'])(
    'open recovers all complete writes of a truncated file and reports the rest (%s)',
    async (after) => {
      const { contents, offsets } = await write();
      const header = offsets[0] as number;
      for (let at = 0; at <= (offsets.at(-1) as number) + 24; at += 1) {
        const kept = contents.slice(0, at);
        const cut = new Uint8Array(after === 'zeros' ? contents.length : at);
        cut.set(kept);
        const opened = await open(cut);
        if (at < header) {
          // If the rest of the header consists of zeros, the truncated file is the same as the
          // complete file.
          if (opened instanceof KontikiError) expect(opened.code).toBe('KONTIKI_CORRUPT');
          else expect(opened.last).toBe(0);
          continue;
        }
        expect(opened, `byte ${at}`).not.toBeInstanceOf(KontikiError);
        const { last, repairs } = opened as LogState;
        const whole = offsets.findLastIndex((place) => place <= at);
        // A batch ends with zero padding, so the batch is still complete if only the padding was
        // lost.
        expect([whole, whole + 1]).toContain(last);
        const torn = kept.subarray(offsets[last] as number).some((byte) => byte !== 0);
        const marked = at >= (offsets.at(-1) as number) + 24;
        expect(repairs.length, `byte ${at}`).toBe(torn && !marked && !(last === 5 && repairs.length === 0) ? 1 : 0);
      }
    },
  );

  it('open does not trust a length without a valid checksum (bugs.md#117)', async () => {
    const { contents, offsets } = await write();
    const at = offsets.at(-1) as number;
    const garbage = contents.slice();
    garbage.fill(0xff, at, at + 64);
    expect(await open(garbage)).toMatchObject({ last: 5, repairs: [{ offset: at, bytes: 64 }] });
  });

  it('open rejects a damaged last batch if an earlier open wrote an idle mark', async () => {
    const { contents, offsets } = await write();
    const [begin, end] = offsets.slice(-2) as [number, number];
    const disk = new SimulatedDisk();
    await disk.folder.create(NAME);
    // The process crashed, so its file has no idle mark.
    disk.overwrite(NAME, contents.fill(0, end));
    const log = openLog(disk, 4_000);
    expect((await log.open(owner)).last).toBe(5);
    await log.close();
    const damaged = disk.contents(NAME);
    damaged[begin + 30] = (damaged[begin + 30] as number) ^ 1;
    expect(await open(damaged)).toMatchObject({ code: 'KONTIKI_CORRUPT' });
  });

  it('open rejects a damaged vote at the end of an earlier segment', async () => {
    const disk = new SimulatedDisk();
    const log = openLog(disk, 700);
    await log.open(owner);
    await log.append({ entries: [first] });
    for (let term = 2; !disk.names.includes('wal-0000000002'); term += 1) {
      await log.append({ ballot: { term, votedFor: 'a' } });
    }
    await log.close();
    const contents = disk.contents(NAME);
    const vote = markIn(contents) - 12;
    contents[vote] = (contents[vote] as number) ^ 1;
    disk.overwrite(NAME, contents);
    await expect(openLog(disk, 700).open(owner)).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
      message: expect.stringMatching(`${NAME}, byte \\d+: the bytes from here to byte \\d+ are damaged`) as string,
    });
  });

  it('open rejects a damaged first batch of a later segment', async () => {
    const disk = new SimulatedDisk();
    const log = openLog(disk, 700);
    await log.open(owner);
    await log.append({ entries: [first] });
    for (let index = 2; disk.names.filter((name) => name.startsWith('wal-')).length < 2; index += 1) {
      await log.append({ entries: [command(index, 1)] });
    }
    await log.close();
    const name = 'wal-0000000002';
    const contents = disk.contents(name);
    const header = new DataView(contents.buffer).getUint32(4, true);
    contents[header + 20] = (contents[header + 20] as number) ^ 1;
    contents.fill(0, header + 100);
    disk.overwrite(name, contents);
    expect(
      await openLog(disk, 700)
        .open(owner)
        .catch((error: unknown) => error),
    ).toMatchObject({
      code: 'KONTIKI_CORRUPT',
      message: expect.stringContaining('the first batch of the segment is damaged') as string,
    });
  });

  it('each segment gets a random salt, so that commands cannot imitate its batches', async () => {
    const salts = new Set<number>();
    for (let i = 0; i < 5; i += 1) {
      const disk = new SimulatedDisk();
      const log = new FileLog(disk.folder, { segmentBytes: 4_000 });
      await log.open(owner);
      await log.close();
      salts.add(new DataView(disk.contents(NAME).buffer).getUint32(16, true));
    }
    expect(salts.size).toBe(5);
  });
});

describe('the format of file logs', () => {
  it('a segment has the same bytes as in earlier versions', async () => {
    const { contents, offsets } = await write();
    const hex = (from: number, to: number): string => Buffer.from(contents.subarray(from, to)).toString('hex');
    expect({
      header: hex(0, offsets[0] as number),
      first: hex(offsets[0] as number, offsets[1] as number),
      second: hex(offsets[1] as number, offsets[2] as number),
    }).toMatchInlineSnapshot(`
      {
        "first": "d8b735a50000008043000000000000000100000000000000010400000000000000000100000000000000010000000201000000000000002000000002000000010061060077733a2f2f61000001010062060077733a2f2f620000010000000000",
        "header": "094dde4d580000004b4f4e54494b4901000000800100000000000000010000000000000000000000040074657374010061000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "second": "ebba3ce70000008042000000000000000200000000000000010700000000000000000200000000000000010061020000000000000001000000000200000000000000140000000202020202020202020202020202020202020202000000000000",
      }
    `);
  });

  it('open rejects a feature level from a newer version with KONTIKI_FORMAT', async () => {
    const newer = { ...membership, level: LEVEL + 1 };
    const writes = [
      (log: FileLog) => log.append({ entries: [first, { kind: 'membership', index: 2, term: 2, membership: newer }] }),
      (log: FileLog) => log.reset({ index: 2, term: 2, membership: { index: 2, membership: newer }, genesis: 1 }),
    ];
    for (const write of writes) {
      const disk = new SimulatedDisk();
      const log = openLog(disk, 4_000);
      await log.open(owner);
      await write(log);
      await log.close();
      expect(await open(disk.contents(NAME))).toMatchObject({
        code: 'KONTIKI_FORMAT',
        message: expect.stringMatching(
          /feature level 3.* Nothing was changed. Start this server with the version that/,
        ),
      });
    }
  });

  it('open rejects a segment in another format version with KONTIKI_FORMAT', async () => {
    const { contents } = await write();
    const { crc32 } = await import('@kontiki/core/wire');
    const other = contents.slice();
    other[15] = 2;
    const view = new DataView(other.buffer);
    view.setUint32(0, crc32(other.subarray(4, view.getUint32(4, true))), true);
    expect(await open(other)).toMatchObject({ code: 'KONTIKI_FORMAT' });
  });
});
