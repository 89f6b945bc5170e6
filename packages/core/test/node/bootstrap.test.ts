import { afterEach, describe, expect, it } from 'vitest';
import { bootstrap, createClusterId, MemoryLog, MemoryNetwork, RaftNode, type Logger } from '@kontiki/core';
import { Journal, Nodes, outcome } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

describe('beginning a cluster', () => {
  it('bootstrap is refused on a log that is not blank, and for members that make no cluster', async () => {
    const log = new MemoryLog();
    const begin = (members: Record<string, string>, server = 'a'): Promise<unknown> =>
      outcome(bootstrap(log, { cluster: 'test', server, members }));
    expect(await begin({})).toBe('KONTIKI_BAD_OPTION');
    expect(await begin({ b: 'x' })).toBe('KONTIKI_BAD_OPTION');
    expect(await begin({ 'a b': 'x' }, 'a b')).toBe('KONTIKI_BAD_OPTION');
    expect(await begin({ a: 'x'.repeat(600) })).toBe('KONTIKI_BAD_OPTION');
    expect(await begin({ a: 'x' })).toBe(undefined);
    expect(await begin({ a: 'x' })).toBe('KONTIKI_NOT_BLANK');
  });

  it('members in another order make the same first entry', async () => {
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

  it('a blank node waits for ever, and says so', async () => {
    const said: string[] = [];
    const logger: Logger = { debug() {}, info: (text) => said.push(text), warn() {}, error() {} };
    await nodes.open('a', { logger });
    await nodes.clock.elapse(10_000);
    expect(nodes.get('a').status()).toMatchObject({ role: 'follower', term: 0, last: 0 });
    expect(said.join()).toContain('blank');
  });

  it('servers that were begun with another list, or are of another cluster, do not hear each other (rows 109, design 3.15)', async () => {
    const network = new MemoryNetwork({ clock: nodes.clock });
    const begun: RaftNode[] = [];
    for (const [id, members] of [
      ['a', { a: 'a', b: 'b' }],
      ['b', { a: 'a', b: 'b', c: 'c' }],
    ] as const) {
      const log = new MemoryLog();
      await bootstrap(log, { cluster: 'test', server: id, members });
      const { clock } = nodes;
      begun.push(
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
    expect(begun.map((node) => node.status().role)).not.toContain('leader');
    await Promise.all(begun.map((node) => node.close()));
  });

  it('createClusterId draws a new one each time, and takes plain names only', () => {
    expect(createClusterId('billing')).toMatch(/^billing-[0-9a-f]{12}$/);
    expect(createClusterId('x')).not.toBe(createClusterId('x'));
    expect(() => createClusterId('no spaces')).toThrow(/1 to 40/);
  });

  it('options that make no sense are refused with what to do', async () => {
    expect(await outcome(nodes.open('a', { timings: { heartbeat: 100, election: 150 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { maxCommandBytes: 4 * 1024 * 1024 }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { limits: { messageBytes: 4 * 1024 * 1024 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { id: '../x' }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { cluster: '' }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { limits: { windowBytes: 0 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { timeout: NaN }))).toBe('KONTIKI_BAD_OPTION');
  });
});
