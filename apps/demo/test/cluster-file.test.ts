// Shows that a cluster file is refused if any of its fields has an invalid value.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readClusterFile, updateClusterFile } from '../src/cluster/cluster-file.js';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'kontiki-cluster-'));
});
afterEach(() => rmSync(data, { recursive: true }));

const node = { id: 'n1', port: 4001, peerPort: 5001, storage: 'fs' };
const valid = { version: 2, cluster: 'demo', transport: 'ws', nodes: [node], bootstrapped: true };

function read(file: unknown): unknown {
  writeFileSync(join(data, 'cluster.json'), JSON.stringify(file));
  return readClusterFile(data);
}

it.each([
  ['without TLS', valid],
  ['with TLS', { ...valid, tls: true }],
  ['with a secret', { ...valid, secret: true }],
])('a cluster file %s is read as it was written', (_, file) => {
  expect(read(file)).toEqual(file);
});

it('concurrent changes to a cluster file all take effect', async () => {
  writeFileSync(join(data, 'cluster.json'), JSON.stringify(valid));
  await Promise.all(
    [2, 3, 4].map((n) =>
      updateClusterFile(data, (file) => ({
        ...file,
        nodes: [
          ...file.nodes,
          { ...node, storage: 'fs', id: `n${n}`, port: 4000 + n, peerPort: 5000 + n, joining: true },
        ],
      })),
    ),
  );
  expect(
    readClusterFile(data)
      ?.nodes.map(({ id }) => id)
      .sort(),
  ).toEqual(['n1', 'n2', 'n3', 'n4']);
});

it.each<[string, unknown]>([
  ['version', { ...valid, version: 3 }],
  ['cluster', { ...valid, cluster: '../c' }],
  ['transport', { ...valid, transport: 'tcp' }],
  ['tls', { ...valid, tls: 'true' }],
  ['secret', { ...valid, secret: 1 }],
  ['bootstrapped', { ...valid, bootstrapped: 'yes' }],
  ['no nodes', { ...valid, nodes: [] }],
  ['id of a node', { ...valid, nodes: [{ ...node, id: '../n1' }] }],
  ['id that is an array', { ...valid, nodes: [{ ...node, id: ['n1'] }] }],
  ['port', { ...valid, nodes: [{ ...node, port: 65_536 }] }],
  ['joining', { ...valid, nodes: [{ ...node, joining: 'true' }] }],
  ['storage', { ...valid, nodes: [{ ...node, storage: 'tape' }] }],
  ['one port twice', { ...valid, nodes: [{ ...node, peerPort: 4001 }] }],
  ['one id twice', { ...valid, nodes: [node, { ...node, port: 4002, peerPort: 5002 }] }],
  ['not an object', null],
])('a cluster file with an invalid field is refused (%s)', (_, file) => {
  expect(() => read(file)).toThrow('is not a cluster file of this version');
});
