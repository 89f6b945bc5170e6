import {
  bootstrap,
  MemoryLog,
  MemorySnapshots,
  moveServer,
  type Entry,
  type LogState,
  type LogStore,
  type LogWrite,
  type MoveProgress,
  type Stores,
} from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { beforeEach, describe, expect, it } from 'vitest';

const owner = { cluster: 'test', server: 'a' };
const members = { a: 'memory:a', b: 'memory:b' };

let from: { log: MemoryLog; snapshots: MemorySnapshots };
let to: { log: MemoryLog; snapshots: MemorySnapshots };
beforeEach(async () => {
  from = { log: new MemoryLog(), snapshots: new MemorySnapshots() };
  to = { log: new MemoryLog(), snapshots: new MemorySnapshots() };
  await bootstrap(from.log, { cluster: owner.cluster, server: owner.server, members });
});

const move = (into: Stores = to, onProgress?: (progress: MoveProgress) => void): Promise<void> =>
  moveServer({ ...owner, from, to: into, where: 'level:data/a', onProgress });

const command = (index: number, term: number, length = 10): Entry => ({
  kind: 'command',
  index,
  term,
  data: new Uint8Array(length).fill(index),
});

/** Fills the old stores with a vote, entries 6 to 20 from two terms, and two snapshots. */
async function fillStores(): Promise<void> {
  const { log, snapshots } = from;
  const { memberships, genesis } = await log.open(owner);
  const membership = memberships[0]!;
  await log.append({
    ballot: { term: 4, votedFor: 'b' },
    entries: Array.from({ length: 19 }, (_, i) => command(i + 2, i < 9 ? 2 : 3, 200_000)),
    committed: 15,
  });
  await snapshots.open(owner);
  for (const index of [5, 12]) {
    const meta = {
      id: `${index}`.padStart(32, '0'),
      cluster: owner.cluster,
      last: { index, term: index < 11 ? 2 : 3 },
      membership,
      genesis: genesis ?? 0,
      version: 0,
    };
    const writer = await snapshots.create(meta);
    for await (const piece of encodeSnapshot(meta, state(index))) await writer.write(piece);
    await writer.finish();
  }
  await log.compact({ index: 5, term: 2, membership, genesis });
  await log.close();
  await snapshots.close();
}

async function* state(index: number): AsyncIterable<Uint8Array> {
  yield new Uint8Array(600_000).fill(index);
}

async function readAll(log: LogStore): Promise<[unknown, Entry[]]> {
  const opened = await log.open(owner);
  const entries: Entry[] = [];
  for (let next = opened.base.index + 1; next <= opened.last; next = opened.base.index + 1 + entries.length)
    entries.push(...(await log.read(next, opened.last, 1e9)));
  await log.close();
  return [opened, entries];
}

describe('moveServer', () => {
  it('moveServer copies ballot, entries and snapshots, and retires the old log', async () => {
    await fillStores();
    const before = await readAll(from.log);
    await move(to);
    expect(await readAll(to.log)).toEqual(before);
    await to.snapshots.open(owner);
    expect((await to.snapshots.list()).map(({ last }) => last.index)).toEqual([12, 5]);
    await expect(from.log.open(owner)).rejects.toMatchObject({
      code: 'KONTIKI_MOVED',
      message: expect.stringContaining('level:data/a'),
    });
  });

  it('moveServer reports the progress of each step until the step is complete', async () => {
    await fillStores();
    const steps: MoveProgress[] = [];
    await move(to, (step) => steps.push(step));
    const ends = new Map(steps.map((step) => [step.step, step]));
    expect([...ends.keys()]).toEqual([
      'copying snapshots',
      'copying entries',
      'comparing snapshots',
      'comparing entries',
    ]);
    for (const { done, total } of ends.values()) expect(done).toBe(total);
    expect(steps.length).toBeGreaterThan(8);
  });

  it('moveServer moves a bootstrapped log without a snapshot store', async () => {
    await moveServer({ ...owner, from: { log: from.log }, to: { log: to.log }, where: 'elsewhere' });
    expect((await to.log.open(owner)).last).toBe(1);
  });

  it('moveServer rejects a blank log with KONTIKI_LOST_DATA', async () => {
    from.log = new MemoryLog();
    await expect(move()).rejects.toMatchObject({ code: 'KONTIKI_LOST_DATA' });
    expect((await from.log.open(owner)).last).toBe(0);
  });

  it('moveServer rejects non-blank target stores and leaves them unchanged', async () => {
    await fillStores();
    await bootstrap(to.log, { cluster: owner.cluster, server: owner.server, members });
    await expect(move()).rejects.toMatchObject({ code: 'KONTIKI_NOT_BLANK' });
    // `open` succeeds only if moveServer has closed the log.
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it('moveServer rejects a move if there is no target store for the snapshots', async () => {
    await fillStores();
    await expect(move({ log: new MemoryLog() })).rejects.toMatchObject({ code: 'KONTIKI_UNSUPPORTED' });
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it('moveServer rejects an old log without a retire method', async () => {
    const log = Object.assign(new MemoryLog(), { retire: undefined }) as unknown as LogStore;
    const moved = moveServer({ ...owner, from: { log }, to: { log: new MemoryLog() }, where: 'x' });
    await expect(moved).rejects.toMatchObject({ code: 'KONTIKI_UNSUPPORTED' });
  });

  it.each([
    [
      'a changed entry',
      (write: LogWrite) => ({
        ...write,
        entries: write.entries?.map((e) => (e.index === 17 ? command(17, 3, 200_000 - 1) : e)),
      }),
    ],
    [
      'another vote',
      ({ ballot, ...write }: LogWrite) => ({ ...write, ballot: ballot && { ...ballot, votedFor: 'a' } }),
    ],
    [
      'a missing last entry',
      (write: LogWrite) => ({ ...write, entries: write.entries?.filter(({ index }) => index < 20) }),
    ],
  ])('moveServer rejects a copy with %s and keeps the old log in use', async (_, change) => {
    await fillStores();
    class ChangingLog extends MemoryLog {
      override append(write: LogWrite): Promise<void> {
        return super.append(change(write));
      }
    }
    await expect(move({ log: new ChangingLog(), snapshots: to.snapshots })).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
    });
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it.each([
    ['no entries', () => []],
    ['other entries', (page: Entry[]) => page.slice(1)],
    ['too many entries', (page: Entry[]) => [...page, command(page.at(-1)!.index + 1, 3)]],
  ])('moveServer rejects a log that returns %s', async (_, change) => {
    await fillStores();
    class WrongPages extends MemoryLog {
      override async read(first: number, last: number, maxBytes: number): Promise<Entry[]> {
        const page = await super.read(first, last, maxBytes);
        return page.at(-1)?.index === last ? change(page) : page;
      }
    }
    await expect(move({ log: new WrongPages(), snapshots: to.snapshots })).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
    });
    // Moving the data out of such a log must fail, too.
    const bad = { log: new WrongPages() };
    await bootstrap(bad.log, { cluster: owner.cluster, server: owner.server, members });
    const moved = moveServer({ ...owner, from: bad, to: { log: to.log }, where: 'x' });
    await expect(moved).rejects.toMatchObject({ code: 'KONTIKI_CORRUPT' });
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it('moveServer rejects a running server without affecting it', async () => {
    await from.log.open(owner);
    await expect(move()).rejects.toMatchObject({ code: 'KONTIKI_LOCKED' });
    expect(await from.log.read(1, 1, Infinity)).toHaveLength(1);
    await from.log.close();
    await from.snapshots.open(owner);
    await expect(move()).rejects.toMatchObject({ code: 'KONTIKI_LOCKED' });
    expect(await from.snapshots.list()).toEqual([]);
    // moveServer opens the log before the snapshots, and must close it again.
    expect((await from.log.open(owner)).last).toBe(1);
  });

  it('moveServer rejects an overlong location before copying anything', async () => {
    const moved = moveServer({ ...owner, from, to, where: 'x'.repeat(16_385) });
    await expect(moved).rejects.toMatchObject({ code: 'KONTIKI_BAD_OPTION' });
    expect((await to.log.open(owner)).last).toBe(0);
    expect((await from.log.open(owner)).last).toBe(1);
  });

  it.each<[string, (state: LogState) => Partial<LogState>]>([
    ['ballot', () => ({ ballot: { term: 4, votedFor: 'a' } })],
    ['base', ({ base }) => ({ base: { ...base, term: base.term + 1 } })],
    ['membership at the base', ({ base }) => ({ base: { ...base, membership: undefined } })],
    ['last entry', ({ last }) => ({ last: last + 1 })],
    ['term history', ({ terms }) => ({ terms: terms.slice(1) })],
    ['list of memberships', ({ base }) => ({ memberships: [{ index: 20, membership: base.membership!.membership }] })],
    ['first entry', () => ({ genesis: 1 })],
  ])('moveServer rejects a copy that opens with a different %s', async (_, change) => {
    await fillStores();
    class WrongStateLog extends MemoryLog {
      override async open(as: typeof owner): Promise<LogState> {
        const state = await super.open(as);
        return state.last === 0 ? state : { ...state, ...change(state) };
      }
    }
    await expect(move({ log: new WrongStateLog(), snapshots: to.snapshots })).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
    });
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it.each<[string, Partial<MemorySnapshots>]>([
    [
      'with a changed byte',
      {
        async *read(id, offset) {
          for await (const piece of to.snapshots.read(id, offset)) {
            yield piece.map((byte, i) => (i === piece.length - 1 ? byte ^ 1 : byte));
          }
        },
      },
    ],
    [
      'with an extra byte',
      {
        async *read(id, offset) {
          yield* to.snapshots.read(id, offset);
          yield new Uint8Array(1);
        },
      },
    ],
    [
      'with missing bytes',
      {
        async *read(id, offset) {
          for await (const piece of to.snapshots.read(id, offset)) yield piece.subarray(0, -1);
        },
      },
    ],
    ['if one is missing', { list: async () => (await to.snapshots.list()).slice(1) }],
  ])('moveServer rejects copied snapshots %s', async (_, wrong) => {
    await fillStores();
    const snapshots = new Proxy(to.snapshots, {
      get: (target, name) => wrong[name as keyof MemorySnapshots] ?? (target[name as 'list'].bind(target) as unknown),
    });
    await expect(move({ log: to.log, snapshots })).rejects.toMatchObject({ code: 'KONTIKI_CORRUPT' });
    expect((await from.log.open(owner)).last).toBe(20);
  });
});
