import { membershipOf, type Entry, type Membership } from '@kontiki/core';
import { Random, SimulatedDisk } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';
import { NodeChecks } from '../src/world/full/checks.js';
import { LogMemory } from '../src/world/full/watched-log.js';
import { InvariantChecker } from '../src/world/invariant-checker.js';
import { quorumsOverlap } from '../src/world/memberships.js';
import { drawMix } from '../src/world/mix.js';

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

describe('SimulatedDisk', () => {
  /** Creates a disk with a file `x` whose name and contents are durable. */
  async function diskWithFile(): Promise<{
    disk: SimulatedDisk;
    file: Awaited<ReturnType<SimulatedDisk['folder']['create']>>;
  }> {
    const disk = new SimulatedDisk();
    const file = await disk.folder.create('x');
    file.write(bytes(1, 2, 3, 4), 0);
    await file.datasync();
    await disk.folder.sync();
    return { disk, file };
  }

  it('a power cut undoes unsynced writes and restores the file length', async () => {
    const { disk, file } = await diskWithFile();
    file.write(bytes(9, 9), 1);
    file.write(bytes(8, 8, 8), 2);
    expect(disk.contents('x')).toEqual(bytes(1, 9, 8, 8, 8));
    disk.crash('power');
    expect(disk.contents('x')).toEqual(bytes(1, 2, 3, 4));
  });

  it('a power cut keeps a random subset of the sectors of an unsynced write', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed += 1) {
      const disk = new SimulatedDisk({ random: new Random(seed).next });
      const file = await disk.folder.create('x');
      file.write(new Uint8Array(1_024), 0);
      await file.datasync();
      await disk.folder.sync();
      file.write(new Uint8Array(1_024).fill(7), 0);
      disk.crash('power');
      const contents = disk.contents('x');
      expect([0, 7]).toContain(contents[0]);
      expect(new Set(contents.subarray(0, 512)).size).toBe(1);
      seen.add(`${contents[0]}${contents[512]}`);
    }
    expect([...seen].sort()).toEqual(['00', '07', '70', '77']);
  });

  it('writes dropped by a failed sync never become durable', async () => {
    let fails = false;
    const disk = new SimulatedDisk({
      fail: ({ kind }) => (fails && kind === 'datasync' ? new Error('EIO') : undefined),
    });
    const file = await disk.folder.create('x');
    await disk.folder.sync();
    file.write(bytes(1), 0);
    fails = true;
    await expect(file.datasync()).rejects.toThrow('EIO');
    fails = false;
    file.write(bytes(2), 1);
    await file.datasync();
    expect(disk.contents('x')).toEqual(bytes(1, 2));
    disk.crash('power');
    expect(disk.contents('x')).toEqual(bytes(0, 2));
  });

  it('an asynchronous write to a SimulatedDisk reads its buffer when it ends', async () => {
    const { disk, file } = await diskWithFile();
    const written = bytes(7, 7);
    const writing = file.writeAsync(written, 0);
    const syncing = file.datasync();
    expect(disk.contents('x')).toEqual(bytes(1, 2, 3, 4));
    written.set([8, 9]);
    await Promise.all([writing, syncing]);
    expect(disk.contents('x')).toEqual(bytes(8, 9, 3, 4));
    disk.crash('power');
    expect(disk.contents('x')).toEqual(bytes(1, 2, 3, 4));
  });

  it('a sync covers only writes issued before it started', async () => {
    const ends: (() => void)[] = [];
    const disk = new SimulatedDisk({
      delay: async ({ kind }) => {
        if (kind.endsWith('sync')) await new Promise<void>((resolve) => ends.push(resolve));
      },
    });
    const { folder } = disk;
    const file = await folder.create('x');
    file.write(bytes(1), 0);
    const syncs = [file.datasync(), file.datasync(), folder.sync(), folder.sync()];
    file.write(bytes(2), 1);
    await folder.rename('x', 'y');
    for (const end of ends) end();
    await Promise.all(syncs);
    expect(disk.contents('y')).toEqual(bytes(1, 2));
    disk.crash('power');
    expect([disk.names, disk.contents('x')]).toEqual([['x'], bytes(1)]);
  });

  it('durableCopy copies only durable data, and wipe empties the disk', async () => {
    const { disk, file } = await diskWithFile();
    file.write(bytes(9), 0);
    await disk.folder.create('unsynced');
    const copy = disk.durableCopy();
    expect(copy.names).toEqual(['x']);
    expect(copy.contents('x')).toEqual(bytes(1, 2, 3, 4));
    disk.wipe();
    expect(disk.names).toEqual([]);
    disk.crash('power');
    expect(disk.names).toEqual([]);
  });

  it('flipBit flips one bit that was durable before the newest sync', async () => {
    const { disk, file } = await diskWithFile();
    const random = new Random(1).next;
    expect(disk.flipBit(random)).toBeUndefined();
    file.write(bytes(5), 4);
    await file.datasync();
    expect(disk.flipBit(random)).toMatch(/^x, byte [0-3]$/);
    const after = disk.contents('x');
    const flipped = [1, 2, 3, 4, 5].filter((value, i) => after[i] !== value);
    expect(flipped).toHaveLength(1);
    disk.crash('power');
    expect(disk.contents('x')).toEqual(after);
  });
});

describe('quorumsOverlap', () => {
  const of = (...ids: string[]): Membership => membershipOf(ids.map((id) => [id, { address: id, metadata: '' }]));

  it('quorums overlap after a change of one voter, or with a joint membership', () => {
    expect(quorumsOverlap(of('a', 'b', 'c'), of('a', 'b', 'c', 'd'))).toBe(true);
    expect(quorumsOverlap(of('a', 'b', 'c'), of('a', 'b'))).toBe(true);
    const joint = { ...of('c', 'd', 'e'), outgoing: ['a', 'b', 'c'] };
    expect(quorumsOverlap(of('a', 'b', 'c'), joint)).toBe(true);
    expect(quorumsOverlap(joint, of('c', 'd', 'e'))).toBe(true);
  });

  it('quorums can be disjoint after adding or replacing two voters', () => {
    expect(quorumsOverlap(of('a', 'b', 'c'), of('a', 'b', 'c', 'd', 'e'))).toBe(false);
    expect(quorumsOverlap(of('a', 'b', 'c'), of('c', 'd', 'e'))).toBe(false);
  });
});

describe('NodeChecks', () => {
  const of = (...ids: string[]): Membership => membershipOf(ids.map((id) => [id, { address: id, metadata: '' }]));
  const entry = (index: number, term: number, membership: Membership): Entry => ({
    kind: 'membership',
    index,
    term,
    membership,
  });

  /**
   * Tells the checks that a follower writes these entries together, as if it had received all of them
   * in one message.
   */
  function append(...entries: Entry[]): void {
    const checks = new NodeChecks(
      new InvariantChecker(new Set(['quorumsOverlap'])),
      drawMix(1, {}, 'nodes'),
      () => [],
      () => 0,
    );
    checks.issued({ id: 'b', life: 1, leads: false, log: new LogMemory() }, 0, 0, { entries });
  }

  it('each membership in a write is compared with the previous one, whatever the terms', () => {
    append(
      entry(1, 1, of('a', 'b', 'c')),
      entry(2, 2, of('a', 'b', 'c', 'd')),
      entry(3, 3, of('a', 'b', 'c', 'd', 'e')),
    );
    const skipped = (): void => append(entry(1, 1, of('a', 'b', 'c')), entry(2, 2, of('a', 'b', 'c', 'd', 'e')));
    expect(skipped).toThrow('the memberships at 1 and 2 have quorums without a common server');
  });
});
