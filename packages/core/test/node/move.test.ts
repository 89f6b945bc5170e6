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

const move = (into: Stores = to, onProgress?: (onProgress: MoveProgress) => void): Promise<void> =>
  moveServer({ ...owner, from, to: into, where: 'level:data/a', onProgress });

const command = (index: number, term: number, length = 10): Entry => ({
  kind: 'command',
  index,
  term,
  data: new Uint8Array(length).fill(index),
});

/** Entries up to 20 of some terms, a vote, and two snapshots; the log begins behind entry 5. */
async function live(): Promise<void> {
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

describe('moving a server to other stores', () => {
  it('copies ballot, entries and snapshots, shows how far it is, and retires the old log', async () => {
    await live();
    const before = await readAll(from.log);
    const steps: MoveProgress[] = [];
    await move(to, (step) => steps.push(step));
    expect(await readAll(to.log)).toEqual(before);
    await to.snapshots.open(owner);
    expect((await to.snapshots.list()).map(({ last }) => last.index)).toEqual([12, 5]);
    await expect(from.log.open(owner)).rejects.toMatchObject({
      code: 'KONTIKI_MOVED',
      message: expect.stringContaining('level:data/a'),
    });
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

  it('of a server that is blank but for its first entry, and of one without snapshots', async () => {
    await moveServer({ ...owner, from: { log: from.log }, to: { log: to.log }, where: 'elsewhere' });
    expect((await to.log.open(owner)).last).toBe(1);
  });

  it('refuses to call a log moved that is not there', async () => {
    from.log = new MemoryLog();
    await expect(move()).rejects.toMatchObject({ code: 'KONTIKI_LOST_DATA' });
    expect((await from.log.open(owner)).last).toBe(0);
  });

  it('refuses what is not blank, and what cannot be retired, before it changes anything', async () => {
    await live();
    await bootstrap(to.log, { cluster: owner.cluster, server: owner.server, members });
    await expect(move()).rejects.toMatchObject({ code: 'KONTIKI_NOT_BLANK' });
    await expect(move({ log: new MemoryLog() })).rejects.toMatchObject({ code: 'KONTIKI_UNSUPPORTED' });
    const eternal = Object.assign(new MemoryLog(), { retire: undefined }) as unknown as LogStore;
    const moved = moveServer({ ...owner, from: { log: eternal }, to: { log: new MemoryLog() }, where: 'x' });
    await expect(moved).rejects.toMatchObject({ code: 'KONTIKI_UNSUPPORTED' });
    // All of them are closed again, and the old one is as it was.
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it.each([
    [
      'an entry',
      (write: LogWrite) => ({
        ...write,
        entries: write.entries?.map((e) => (e.index === 17 ? command(17, 3, 200_000 - 1) : e)),
      }),
    ],
    ['the vote', ({ ballot, ...write }: LogWrite) => ({ ...write, ballot: ballot && { ...ballot, votedFor: 'a' } })],
    ['the end', (write: LogWrite) => ({ ...write, entries: write.entries?.filter(({ index }) => index < 20) })],
  ])('notices that the copy differs in %s, and leaves the old one in service', async (_, change) => {
    await live();
    class Forgetful extends MemoryLog {
      override append(write: LogWrite): Promise<void> {
        return super.append(change(write));
      }
    }
    await expect(move({ log: new Forgetful(), snapshots: to.snapshots })).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
    });
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it.each([
    ['none', () => []],
    ['others', (page: Entry[]) => page.slice(1)],
    ['more', (page: Entry[]) => [...page, command(page.at(-1)!.index + 1, 3)]],
  ])('does not go on with a log that gives %s of the entries it was asked for', async (_, change) => {
    await live();
    class Wrong extends MemoryLog {
      override async read(first: number, last: number, maxBytes: number): Promise<Entry[]> {
        const page = await super.read(first, last, maxBytes);
        return page.at(-1)?.index === last ? change(page) : page;
      }
    }
    await expect(move({ log: new Wrong(), snapshots: to.snapshots })).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
    });
    // As the one that is moved from: it cannot even be copied.
    const bad = { log: new Wrong() };
    await bootstrap(bad.log, { cluster: owner.cluster, server: owner.server, members });
    const moved = moveServer({ ...owner, from: bad, to: { log: to.log }, where: 'x' });
    await expect(moved).rejects.toMatchObject({ code: 'KONTIKI_CORRUPT' });
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it('refuses a server that runs, and leaves it running', async () => {
    await from.log.open(owner);
    await expect(move()).rejects.toMatchObject({ code: 'KONTIKI_LOCKED' });
    expect(await from.log.read(1, 1, Infinity)).toHaveLength(1);
    await from.log.close();
    await from.snapshots.open(owner);
    await expect(move()).rejects.toMatchObject({ code: 'KONTIKI_LOCKED' });
    expect(await from.snapshots.list()).toEqual([]);
    // What it has opened by itself is closed again.
    expect((await from.log.open(owner)).last).toBe(1);
  });

  it('refuses a place that the old log could not tell whole, before it copies anything', async () => {
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
    ['terms', ({ terms }) => ({ terms: terms.slice(1) })],
    ['memberships', ({ base }) => ({ memberships: [{ index: 20, membership: base.membership!.membership }] })],
    ['first entry', () => ({ genesis: 1 })],
  ])('notices that the copy tells another %s when it is opened', async (_, change) => {
    await live();
    class Liar extends MemoryLog {
      override async open(as: typeof owner): Promise<LogState> {
        const state = await super.open(as);
        return state.last === 0 ? state : { ...state, ...change(state) };
      }
    }
    await expect(move({ log: new Liar(), snapshots: to.snapshots })).rejects.toMatchObject({ code: 'KONTIKI_CORRUPT' });
    expect((await from.log.open(owner)).last).toBe(20);
  });

  it.each<[string, Partial<MemorySnapshots>]>([
    [
      'in a byte',
      {
        async *read(id, offset) {
          for await (const piece of to.snapshots.read(id, offset)) {
            yield piece.map((byte, i) => (i === piece.length - 1 ? byte ^ 1 : byte));
          }
        },
      },
    ],
    [
      'by a byte that is one too many',
      {
        async *read(id, offset) {
          yield* to.snapshots.read(id, offset);
          yield new Uint8Array(1);
        },
      },
    ],
    [
      'by bytes that it has not',
      {
        async *read(id, offset) {
          for await (const piece of to.snapshots.read(id, offset)) yield piece.subarray(0, -1);
        },
      },
    ],
    ['by one that it has not', { list: async () => (await to.snapshots.list()).slice(1) }],
  ])('notices that the snapshots differ %s', async (_, wrong) => {
    await live();
    const snapshots = new Proxy(to.snapshots, {
      get: (target, name) => wrong[name as keyof MemorySnapshots] ?? (target[name as 'list'].bind(target) as unknown),
    });
    await expect(move({ log: to.log, snapshots })).rejects.toMatchObject({ code: 'KONTIKI_CORRUPT' });
    expect((await from.log.open(owner)).last).toBe(20);
  });
});
