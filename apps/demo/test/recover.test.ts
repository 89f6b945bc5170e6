// Shows which node `kontiki-demo recover` keeps, what it prints, and what it refuses. The nodes
// have logs on disk, but never run.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bootstrap,
  inspectServer,
  membershipOf,
  silentLogger as logger,
  type Entry,
  type Membership,
  type ServerContents,
} from '@kontiki/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readClusterFile, updateClusterFile, type ClusterFile } from '../src/cluster/cluster-file.js';
import type { Storage } from '../src/cluster/kinds.js';
import { firstMembers, prepareCluster } from '../src/cluster/prepare.js';
import { storagePath, storesAt, type NodeStores } from '../src/cluster/storage.js';
import { recoverCommand } from '../src/commands/recover.js';

const flags = { nodes: 3, port: 4001, peerPort: 5001, transport: undefined, tls: undefined, secret: undefined };

let data: string;
let file: ClusterFile;
let printed: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'kontiki-recover-'));
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(data, { recursive: true });
});

function stores(id: string): Promise<NodeStores> {
  const { storage } = file.nodes.find((node) => node.id === id) as { storage: Storage };
  return storesAt(storagePath(data, id, storage), storage, { logger });
}

/**
 * Creates a cluster of three nodes. The log of each node contains the first entry, and then one
 * entry per given term.
 */
async function create(storage: Storage, terms: Readonly<Record<string, readonly number[]>>): Promise<void> {
  ({ cluster: file } = await prepareCluster(data, { ...flags, storage: [storage] }));
  for (const [id, held] of Object.entries(terms)) {
    const { log, release } = await stores(id);
    await log.open({ cluster: file.cluster, server: id });
    const entries = held.map((term, i): Entry => ({ kind: 'noop', index: i + 2, term }));
    await log.append({ ballot: { term: 4, votedFor: undefined }, entries, committed: 2 });
    await log.close();
    await release();
  }
}

/**
 * Appends a membership to the logs of nodes. By default, it is the membership of a founded cluster
 * of all nodes.
 */
async function found(ids: readonly string[], change: Partial<Membership> = {}): Promise<void> {
  const servers = await Promise.all(
    Object.entries(firstMembers(file)).map(async ([id, info]) => {
      const { store } = await contentsOf(id);
      return [id, { ...(info as { address: string; metadata: string }), store }] as const;
    }),
  );
  const membership = { ...membershipOf(servers), ...change };
  for (const id of ids) {
    const { log, release } = await stores(id);
    const { last } = await log.open({ cluster: file.cluster, server: id });
    await log.append({ entries: [{ kind: 'membership', index: last + 1, term: 4, membership }] });
    await log.close();
    await release();
  }
}

async function contentsOf(id: string): Promise<ServerContents> {
  const { log, snapshots, release } = await stores(id);
  try {
    return await inspectServer(log, { cluster: file.cluster, server: id, snapshots });
  } finally {
    await release();
  }
}

const lose = (...ids: readonly string[]): void => {
  for (const id of ids) rmSync(join(data, id), { recursive: true });
};
const recover = (...args: readonly string[]): Promise<number> => recoverCommand(['--data', data, ...args]);
const folderOf = (id: string): string => storagePath(data, id, 'fs');

describe.each(['fs', 'level'] as const)('recover on %s', (storage) => {
  it('recover keeps the node with the newest log, and leaves the others behind', async () => {
    await create(storage, { n1: [1, 1, 1, 1], n2: [1, 2], n3: [1, 2, 2] });
    // n1 has the longest log, but its last term is older.
    await updateClusterFile(data, (current) => ({
      ...current,
      nodes: [...current.nodes, { id: 'n4', port: 4010, peerPort: 5010, storage, joining: true }],
    }));
    expect(await recover('--force')).toBe(0);
    expect(printed).toContain('Nothing was changed. To recover n3:');
    expect(readClusterFile(data)?.nodes.some(({ leftBehind }) => leftBehind)).toBe(false);
    expect(await recover('--force', '--yes')).toBe(0);
    const left = readClusterFile(data)?.nodes.map(({ id, leftBehind = false }) => [id, leftBehind]);
    expect(left).toEqual([
      ['n1', true],
      ['n2', true],
      ['n3', false],
      ['n4', false],
    ]);
    expect(await contentsOf('n3')).toMatchObject({
      last: { index: 5, term: 5 },
      committed: 5,
      membership: { membership: { voters: ['n3'], epoch: expect.stringMatching(/^[0-9a-f]{32}$/) } },
    });
    expect(printed).toContain(`rm -r ${join(data, 'n1')} ${join(data, 'n2')}\n`);
  });

  it('recover refuses while a node runs', async () => {
    await create(storage, { n1: [1] });
    const { log, release } = await stores('n1');
    await log.open({ cluster: file.cluster, server: 'n1' });
    await expect(recover('--yes')).rejects.toThrow('n1 must be stopped first. Nothing was changed.');
    await log.close();
    await release();
  });
});

describe('recover', () => {
  it('recover prints the contents of each node, or why they are unreadable', async () => {
    await create('fs', { n1: [1, 1], n2: [1] });
    lose('n3');
    for (const { name } of readdirSync(folderOf('n2'), { withFileTypes: true }).filter((one) => one.isFile()))
      writeFileSync(join(folderOf('n2'), name), 'damaged'.repeat(20));
    await recover();
    expect(printed).toMatch(/^node +part +last entry +committed +snapshot +members$/m);
    expect(printed).toMatch(/^n1 +voter +3 of term 1 +2 +none +n1, n2, n3$/m);
    expect(printed).toMatch(/^n2 +.*\[KONTIKI_CORRUPT\]$/m);
    expect(printed).toMatch(/^n3 +there is no folder /m);
    expect(printed).toContain('n1 has the newest log. It keeps all entries up to 3, committed or not.');
    expect(printed).toContain('because their data is missing:');
    expect(printed).toContain('Writes that were acknowledged after entry 3 are lost.');
  });

  it('recover refuses while a majority still exists', async () => {
    await create('fs', { n1: [1], n3: [1, 1] });
    await found(['n1', 'n3']);
    lose('n2');
    await expect(recover('--yes')).rejects.toThrow(
      'n1, n3 can still decide together, so nothing is lost. Start them instead of a recovery',
    );
  });

  it('recover accepts what is left of a cluster that was never founded', async () => {
    await create('fs', { n1: [1], n3: [1, 1] });
    lose('n2');
    expect(await recover('--yes')).toBe(0);
    expect(printed).toContain('n3 is the only member of the cluster');
  });

  it('recover does not count a node that was bootstrapped again', async () => {
    await create('fs', { n1: [1], n3: [1, 1] });
    const { store } = await contentsOf('n3');
    await found(['n1', 'n3']);
    lose('n2', 'n3');
    const { log, release } = await stores('n3');
    await bootstrap(log, { cluster: file.cluster, server: 'n3', members: firstMembers(file) });
    await release();
    expect((await contentsOf('n3')).store).not.toBe(store);
    expect(await recover('--yes')).toBe(0);
    expect(printed).toContain('n1 is the only member of the cluster');
  });

  it('recover does not leave behind a learner that has joined a recovered node', async () => {
    await create('fs', { n1: [1] });
    const servers = Object.entries(firstMembers(file)) as [string, { address: string; metadata: string }][];
    const learning = membershipOf(servers.slice(0, 2), ['n2']);
    await found(['n1'], { ...learning, epoch: 'e'.repeat(32) });
    lose('n2', 'n3');
    await expect(recover('--yes')).rejects.toThrow('n1 can still decide together');
    expect(readClusterFile(data)?.nodes.some(({ leftBehind }) => leftBehind)).toBe(false);
  });

  it('recover considers only the folders named on the command line', async () => {
    await create('fs', { n1: [1], n2: [1, 1] });
    await found(['n1', 'n2']);
    expect(await recoverCommand(['--folder', folderOf('n1')])).toBe(0);
    expect(printed).toContain('n1 has the newest log.');
    const both = ['--folder', folderOf('n1'), '--folder', folderOf('n2')];
    await expect(recoverCommand(both)).rejects.toThrow('n1, n2 can still decide together');
  });

  it('recover finishes an interrupted recovery, and refuses a second one', async () => {
    await create('fs', { n1: [1] });
    lose('n2', 'n3');
    await recover('--yes');
    const before = await contentsOf('n1');
    // Simulate that the command was killed before it changed the cluster file.
    await updateClusterFile(data, (current) => ({
      ...current,
      nodes: current.nodes.map((node) => ({ ...node, leftBehind: false })),
    }));
    await recover('--yes');
    expect(await contentsOf('n1')).toEqual(before);
    expect(readClusterFile(data)?.nodes.map(({ leftBehind = false }) => leftBehind)).toEqual([false, true, true]);
    await expect(recover('--yes')).rejects.toThrow('n1 can still decide together');
  });

  it('recover reports what to do if no voter has survived', async () => {
    await create('fs', {});
    lose('n1', 'n2', 'n3');
    await expect(recover()).rejects.toThrow('No voter has survived. Nothing was changed. Restore a backup:');
  });

  it.each([
    [['--folder', '/nowhere/n1/fs'], 'is not the store of a node'],
    [['--data', '/nowhere'], 'There is no cluster in /nowhere'],
    [['--data', 'x', '--folder', 'y'], 'Use either --data or --folder'],
    [['--yess'], 'Did you mean --yes?'],
  ])('recover refuses the command line %j', async (args, text) => {
    await expect(recoverCommand(args)).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(text) });
  });

  it('recover --help prints its flags', async () => {
    expect(await recoverCommand(['--help'])).toBe(0);
    expect(printed).toContain('Recovers a cluster that has lost the majority of its voters for good.');
  });
});
