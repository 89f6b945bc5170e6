import { afterEach, describe, expect, it } from 'vitest';
import {
  bootstrap,
  createClusterId,
  MemoryLog,
  MemoryNetwork,
  MemorySnapshots,
  RaftNode,
  type Logger,
} from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { atOnce, Journal, Nodes, outcome } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

describe('starting a cluster', () => {
  it('bootstrap rejects members that cannot form a cluster', async () => {
    const log = new MemoryLog();
    const create = (members: Record<string, string>, server = 'a'): Promise<unknown> =>
      outcome(bootstrap(log, { cluster: 'test', server, members }));
    expect(await create({})).toBe('KONTIKI_BAD_OPTION');
    expect(await create({ b: 'x' })).toBe('KONTIKI_BAD_OPTION');
    expect(await create({ 'a b': 'x' }, 'a b')).toBe('KONTIKI_BAD_OPTION');
    expect(await create({ a: 'x'.repeat(600) })).toBe('KONTIKI_BAD_OPTION');
    expect(await create({ a: 'x' })).toBe(undefined);
  });

  it('bootstrap rejects a non-blank log with KONTIKI_NOT_BLANK (bugs.md#s11)', async () => {
    const log = new MemoryLog();
    await bootstrap(log, { cluster: 'test', server: 'a', members: { a: 'x' } });
    const again = outcome(bootstrap(log, { cluster: 'test', server: 'a', members: { a: 'x' } }));
    expect(await again).toBe('KONTIKI_NOT_BLANK');
  });

  it('bootstrap rejects with KONTIKI_NOT_BLANK if the log is blank but a snapshot exists', async () => {
    const owner = { cluster: 'test', server: 'a' };
    const snapshots = new MemorySnapshots();
    const log = new MemoryLog();
    const members = { a: 'memory:a' };
    await bootstrap(log, { ...owner, members, snapshots });
    const first = await log.open(owner);
    await log.close();
    const [membership] = first.memberships;
    if (membership === undefined || first.genesis === undefined) throw new Error('the log is blank');
    const last = { index: 5, term: 2 };
    const meta = { id: '0'.repeat(32), cluster: 'test', last, membership, genesis: first.genesis, version: 0 };
    await snapshots.open(owner);
    const writer = await snapshots.create(meta);
    for await (const piece of encodeSnapshot(meta, (async function* () {})())) await writer.write(piece);
    await writer.finish();
    await snapshots.close();
    const lost = new MemoryLog();
    expect(await outcome(bootstrap(lost, { ...owner, members, snapshots }))).toBe('KONTIKI_NOT_BLANK');
    expect((await lost.open(owner)).last).toBe(0);
    // `open` succeeds only if `bootstrap` has closed both stores.
    await lost.close();
    await snapshots.open(owner);
  });

  it('bootstrap writes the same first entry regardless of the order of members', async () => {
    const genesisSums = [];
    for (const members of [
      { a: '1', b: '2' },
      { b: '2', a: '1' },
    ]) {
      const log = new MemoryLog();
      await bootstrap(log, { cluster: 'test', server: 'a', members });
      genesisSums.push((await log.open({ cluster: 'test', server: 'a' })).genesis);
    }
    expect(genesisSums[0]).toBeGreaterThan(0);
    expect(genesisSums[0]).toBe(genesisSums[1]);
  });

  it('a blank server waits as a follower and logs that it is blank (bugs.md#s11)', async () => {
    const lines: string[] = [];
    const logger: Logger = { debug() {}, info: (text) => lines.push(text), warn() {}, error() {} };
    await nodes.open('a', { logger });
    await nodes.clock.elapse(10_000);
    expect(nodes.get('a').status()).toMatchObject({ role: 'follower', term: 0, last: 0 });
    expect(lines.join()).toContain('blank');
  });

  it('servers bootstrapped with different members do not communicate', async () => {
    const network = new MemoryNetwork({ clock: nodes.clock });
    const servers: RaftNode[] = [];
    for (const [id, members] of [
      ['a', { a: 'a', b: 'b' }],
      ['b', { a: 'a', b: 'b', c: 'c' }],
    ] as const) {
      const log = new MemoryLog();
      await bootstrap(log, { cluster: 'test', server: id, members });
      const { clock } = nodes;
      servers.push(
        await RaftNode.open({
          id,
          cluster: 'test',
          machine: new Journal(),
          log,
          transport: network.transport(),
          clock,
        }),
      );
    }
    await nodes.clock.elapse(10_000);
    expect(servers.map((node) => node.status().role)).not.toContain('leader');
    await Promise.all(servers.map((node) => node.close(atOnce)));
  });

  it('createClusterId returns a new id each time and rejects a name with spaces', () => {
    expect(createClusterId('billing')).toMatch(/^billing-[0-9a-f]{12}$/);
    expect(createClusterId('x')).not.toBe(createClusterId('x'));
    expect(() => createClusterId('no spaces')).toThrow(/1 to 40/);
  });

  it('open rejects invalid options with KONTIKI_BAD_OPTION', async () => {
    expect(await outcome(nodes.open('a', { timings: { heartbeat: 100, election: 150 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { maxCommandBytes: 4 * 1024 * 1024 }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { limits: { messageBytes: 4 * 1024 * 1024 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { id: '../x' }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { cluster: '' }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { limits: { windowBytes: 0 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { timeout: NaN }))).toBe('KONTIKI_BAD_OPTION');
  });
});
