import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FolderLockedError, type Lock } from '@kontiki/files';
import { openFolder } from '@kontiki/files/node';
import { isId } from '@kontiki/core/wire';
import { CliError } from '../cli.js';
import { STORAGES, TRANSPORTS, type Storage, type TransportName } from './kinds.js';
import { writeAtomically } from './write-atomically.js';

/**
 * One node of the demo, with its port for clients and its port for peers. Both ports are on
 * 127.0.0.1.
 */
export interface DemoNode {
  readonly id: string;
  readonly port: number;
  readonly peerPort: number;
  readonly storage: Storage;
  /** True if the node is not a member yet. It may then start without a log. */
  readonly joining?: boolean;
  /** True if the cluster was recovered without this node, which must never run again. */
  readonly leftBehind?: boolean;
  /** True if the node was removed from the members. */
  readonly removed?: boolean;
}

/** Contents of `cluster.json`, a file in the cluster's data folder, next to the nodes' folders. */
export interface ClusterFile {
  readonly version: 2;
  readonly cluster: string;
  readonly transport: TransportName;
  /**
   * Whether nodes use the certificates in the folder `tls` to authenticate themselves to each other
   * and to clients.
   */
  readonly tls?: boolean;
  /**
   * Whether the cluster was created with a shared secret. If so, nodes do not start without a
   * secret.
   */
  readonly secret?: boolean;
  readonly nodes: readonly DemoNode[];
  /**
   * Whether every node's log contains the first entry. If so, a node with an empty log has lost its
   * disk. Such a node must not be bootstrapped again, because its votes and entries are lost.
   */
  readonly bootstrapped: boolean;
  /**
   * The id of the snapshot from which the cluster is being restored. Undefined once the restore is
   * complete.
   */
  readonly restoring?: string;
}

export const HOST = '127.0.0.1';

export const clientUrl = ({ port }: DemoNode, { tls }: Pick<ClusterFile, 'tls'>): string =>
  `${tls === true ? 'https' : 'http'}://${HOST}:${port}`;
export const peerUrl = ({ peerPort }: DemoNode, transport: TransportName): string =>
  `${transport}://${HOST}:${peerPort}`;

function fileIn(data: string): string {
  return join(data, 'cluster.json');
}

/**
 * Returns the nodes that may run. Excludes nodes that were removed or that a recovery left behind.
 */
export function livingNodes({ nodes }: Pick<ClusterFile, 'nodes'>): readonly DemoNode[] {
  return nodes.filter(({ leftBehind, removed }) => leftBehind !== true && removed !== true);
}

/** Reads the cluster file in a data folder. Returns undefined if the file does not exist. */
export function readClusterFile(data: string): ClusterFile | undefined {
  const path = fileIn(data);
  if (!existsSync(path)) return undefined;
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as unknown;
    if (isClusterFile(file)) return file;
  } catch (error) {
    throw new CliError(`Cannot read ${path}: ${(error as Error).message}. Restore the file, or use another --data.`);
  }
  throw new CliError(`${path} is not a cluster file of this version. Restore the file, or use another --data.`);
}

function isClusterFile(file: unknown): file is ClusterFile {
  const {
    version,
    cluster,
    transport,
    tls,
    secret,
    nodes,
    bootstrapped,
    restoring = '',
  } = (file ?? {}) as Partial<ClusterFile>;
  const isPort = (port: unknown): boolean => Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;
  return (
    version === 2 &&
    isId(cluster) &&
    TRANSPORTS.includes(transport as TransportName) &&
    typeof restoring === 'string' &&
    [tls ?? false, secret ?? false, bootstrapped].every((flag) => typeof flag === 'boolean') &&
    Array.isArray(nodes) &&
    nodes.length > 0 &&
    nodes.every(
      (node) =>
        // The id is used as a folder name. Check its type too, because the pattern alone would
        // accept the array ['n1'].
        typeof node?.id === 'string' &&
        /^n[1-9]\d?$/.test(node.id) &&
        isPort(node.port) &&
        isPort(node.peerPort) &&
        STORAGES.includes(node.storage) &&
        typeof (node.joining ?? false) === 'boolean' &&
        typeof (node.leftBehind ?? false) === 'boolean' &&
        typeof (node.removed ?? false) === 'boolean',
    ) &&
    areDistinct(nodes.map(({ id }) => id)) &&
    areDistinct(nodes.flatMap(({ port, peerPort }) => [port, peerPort]))
  );
}

function areDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}

/**
 * Changes an existing cluster file. Waits while another process is changing the file. Otherwise,
 * one of the two changes would be lost.
 */
export async function updateClusterFile(
  data: string,
  change: (file: ClusterFile) => ClusterFile,
): Promise<ClusterFile> {
  // A running demo holds the lock of the data folder, so this function locks another folder.
  const folder = await openFolder(join(data, 'changing'));
  const lock = await lockSoon(() => folder.lock('cluster.json'));
  try {
    const changed = change(readClusterFile(data) as ClusterFile);
    writeClusterFile(data, changed);
    return changed;
  } finally {
    await lock.release();
  }
}

/**
 * Locks a folder. Retries if it is locked, because other processes hold the lock only for
 * milliseconds.
 */
async function lockSoon(lock: () => Promise<Lock>, attempts = 100): Promise<Lock> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await lock();
    } catch (error) {
      if (!(error instanceof FolderLockedError) || attempt === attempts) throw error;
      await delay(50);
    }
  }
}

/** Writes the cluster file atomically and durably to an existing folder. */
export function writeClusterFile(data: string, file: ClusterFile): void {
  writeAtomically(fileIn(data), `${JSON.stringify(file, undefined, 2)}\n`);
}
