import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { isId } from '@kontiki/core/wire';
import { CliError } from 'kontiki-demo/cli.js';
import { readClusterFile, type ClusterFile } from 'kontiki-demo/cluster/cluster-file.js';
import { check, type Target } from '../target.js';

const file: ClusterFile = {
  version: 2,
  cluster: 'demo-0123456789ab',
  transport: 'ws',
  nodes: [
    { id: 'n1', port: 4001, peerPort: 5001, storage: 'fs' },
    { id: 'n2', port: 4002, peerPort: 5002, storage: 'level' },
  ],
  bootstrapped: true,
};

let folder: string | undefined;

const encode = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(value)));
const anything = fc.oneof(
  fc.constantFrom<unknown>(null, [], {}, ['n1'], '', '../x', '__proto__', 0, -1, 1.5, 2 ** 53, '4001', true, 'http'),
  fc.jsonValue({ maxDepth: 2 }),
);
/**
 * Returns a generator of objects that have up to two of the named fields, with arbitrary values.
 */
const fieldsOf = (...names: readonly string[]): fc.Arbitrary<object> =>
  fc.array(fc.tuple(fc.constantFrom(...names), anything), { maxLength: 2 }).map((fields) => Object.fromEntries(fields));

export const demoCluster: Target = {
  name: 'demo-cluster',
  about: 'cluster.json of the demo',
  seeds: () => [encode(file), encode({ ...file, transport: 'http', bootstrapped: false })],
  structured: fc
    .tuple(
      fieldsOf('version', 'cluster', 'transport', 'nodes', 'bootstrapped', '__proto__'),
      fieldsOf('id', 'port', 'peerPort', 'storage', '__proto__'),
    )
    .map(([changes, node]) => encode({ ...file, nodes: [file.nodes[0], { ...file.nodes[1], ...node }], ...changes })),
  run: (input) => {
    folder ??= mkdtempSync(join(tmpdir(), 'kontiki-fuzz-'));
    const path = join(folder, 'cluster.json');
    // Remove the file first. On file systems such as ext4, overwriting a file writes it to the disk
    // immediately.
    rmSync(path, { force: true });
    writeFileSync(path, input);
    const read = readClusterFile(folder);
    check(read !== undefined && isId(read.cluster), 'a cluster file has the id of a cluster');
    check(read.transport === 'ws' || read.transport === 'http', 'the transport is known');
    const ids = read.nodes.map(({ id }) => id);
    check(
      ids.every((id) => typeof id === 'string' && /^n[1-9]\d?$/.test(id)),
      'the ids of nodes are safe names of folders',
    );
    check(new Set(ids).size === ids.length, 'no two nodes have the same id');
    const ports = read.nodes.flatMap(({ port, peerPort }) => [port, peerPort]);
    check(
      ports.every((port) => Number.isInteger(port) && port > 0 && port < 65_536),
      'the ports are possible',
    );
    check(new Set(ports).size === ports.length, 'no two servers have the same port');
    return true;
  },
  isExpected: (error) => error instanceof CliError,
  close: async () => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  },
};
