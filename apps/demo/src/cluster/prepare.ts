import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap, createClusterId, isKontikiError, silentLogger, type BootstrapOptions } from '@kontiki/core';
import { CliError, COMMAND, EXIT, shellWord } from '../cli.js';
import { createCertificates } from './certificates.js';
import { clientUrl, peerUrl, readClusterFile, writeClusterFile, type ClusterFile } from './cluster-file.js';
import type { Storage, TransportName } from './kinds.js';
import { storagePath, storesAt } from './storage.js';

/** Cluster settings from the command line. A setting is undefined if its flag was not given. */
export interface ClusterFlags {
  readonly nodes: number | undefined;
  readonly port: number | undefined;
  readonly peerPort: number | undefined;
  /** The kind of store for all nodes, or one kind per node. */
  readonly storage: readonly Storage[] | undefined;
  readonly transport: TransportName | undefined;
  /** True if nodes use certificates, both for each other and for clients. */
  readonly tls: true | undefined;
  /** True if nodes authenticate each other with a shared secret. */
  readonly secret: true | undefined;
}

export interface PreparedCluster {
  readonly cluster: ClusterFile;
  /**
   * Whether no node has run yet. Nodes with data in memory may be bootstrapped only in this case.
   */
  readonly isNew: boolean;
}

const defaults = { nodes: 3, port: 4001, peerPort: 5001 };

/**
 * Reads the cluster in a folder, or creates a cluster. Throws if flags contradict the existing
 * cluster.
 */
export async function prepareCluster(data: string, flags: ClusterFlags): Promise<PreparedCluster> {
  const existing = readClusterFile(data);
  if (existing === undefined) {
    const created = await createCluster(data, newCluster(flags));
    return { cluster: await bootstrapNodes(data, created), isNew: true };
  }
  if (existing.restoring !== undefined) throw restoreInterrupted(data, existing.restoring);
  refuseContradictions(data, existing, flags);
  if (existing.bootstrapped) return { cluster: existing, isNew: false };
  return { cluster: await bootstrapNodes(data, existing), isNew: true };
}

/**
 * Returns the existing cluster if restoring a snapshot was interrupted, or otherwise a new cluster
 * of one node. Does not write the cluster file. Throws if the folder belongs to another cluster.
 */
export function clusterToRestore(data: string, snapshot: string, flags: ClusterFlags): ClusterFile {
  const existing = readClusterFile(data);
  if (existing === undefined) return { ...newCluster({ ...flags, nodes: 1 }), restoring: snapshot };
  if (existing.restoring === undefined)
    throw new CliError(`${data} has a cluster, which was not changed. Restore into another folder: --data DIR`);
  if (existing.restoring !== snapshot) throw restoreInterrupted(data, existing.restoring);
  return existing;
}

/** Writes the cluster file for a restore, unless an interrupted restore has already written it. */
export async function prepareRestore(data: string, snapshot: string, flags: ClusterFlags): Promise<ClusterFile> {
  const file = clusterToRestore(data, snapshot, flags);
  return readClusterFile(data) === undefined ? createCluster(data, file) : file;
}

function restoreInterrupted(data: string, snapshot: string): CliError {
  return new CliError(
    `The restore of snapshot ${snapshot} into ${data} was interrupted. Finish it with the same file: ${COMMAND} restore --from FILE --data ${shellWord(data)}. Or delete ${data}, and begin again.`,
  );
}

/**
 * Writes the cluster file and the certificates of a new cluster, before any log is written. If the
 * start is interrupted, the next start continues with the same cluster.
 */
async function createCluster(data: string, created: ClusterFile): Promise<ClusterFile> {
  const leftover = created.nodes.find(({ id }) => existsSync(join(data, id)));
  if (leftover !== undefined)
    throw new CliError(
      `${data} has the data of node ${leftover.id} but no cluster.json. Restore cluster.json, or use another --data.`,
    );
  if (created.tls === true) await createCertificates(data, created);
  writeClusterFile(data, created);
  return created;
}

/**
 * Throws if the flags are invalid for the cluster that `prepareCluster` would create. Called before
 * the folder is created, so that an invalid flag leaves no folder.
 */
export function checkNewCluster(data: string, flags: ClusterFlags): void {
  if (readClusterFile(data) === undefined) newCluster(flags);
}

function newCluster(flags: ClusterFlags): ClusterFile {
  const { nodes, port, peerPort } = {
    nodes: flags.nodes ?? defaults.nodes,
    port: flags.port ?? defaults.port,
    peerPort: flags.peerPort ?? defaults.peerPort,
  };
  const storages = storagesOf(nodes, flags.storage);
  const overlap = Math.abs(port - peerPort) < nodes;
  if (overlap)
    throw new CliError(
      `--port ${port} and --peer-port ${peerPort} overlap with ${nodes} nodes. They must differ by at least ${nodes}.`,
      EXIT.usage,
    );
  return {
    version: 2,
    cluster: createClusterId('demo'),
    transport: flags.transport ?? 'ws',
    ...(flags.tls && { tls: flags.tls }),
    ...(flags.secret && { secret: flags.secret }),
    nodes: storages.map((storage, i) => ({ id: `n${i + 1}`, port: port + i, peerPort: peerPort + i, storage })),
    bootstrapped: false,
  };
}

function storagesOf(nodes: number, storages: readonly Storage[] = ['fs']): Storage[] {
  if (storages.length !== 1 && storages.length !== nodes)
    throw new CliError(
      `--storage names ${storages.length} stores for ${nodes} nodes. Name one store, or ${nodes} stores.`,
      EXIT.usage,
    );
  return Array.from({ length: nodes }, (_, i) => storages[i] ?? (storages[0] as Storage));
}

/**
 * Returns the members for the cluster's first entry. Each member's metadata is its URL for clients.
 */
export function firstMembers(cluster: ClusterFile): BootstrapOptions['members'] {
  return Object.fromEntries(
    cluster.nodes.map((node) => [
      node.id,
      { address: peerUrl(node, cluster.transport), metadata: clientUrl(node, cluster) },
    ]),
  );
}

/** Writes the first entry to the log of every node with durable data. Then sets `bootstrapped`. */
async function bootstrapNodes(data: string, file: ClusterFile): Promise<ClusterFile> {
  const { cluster, nodes } = file;
  for (const { id, storage } of nodes) {
    if (storage === 'memory') continue;
    try {
      const { log, snapshots, release } = await storesAt(storagePath(data, id, storage), storage, {
        logger: silentLogger,
        isNew: true,
      });
      try {
        await bootstrap(log, { cluster, server: id, members: firstMembers(file), snapshots });
      } finally {
        await release();
      }
    } catch (error) {
      // An interrupted start has already bootstrapped this log. No node has run since then.
      if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
    }
  }
  const bootstrapped = { ...file, bootstrapped: true };
  writeClusterFile(data, bootstrapped);
  return bootstrapped;
}

function refuseContradictions(data: string, { nodes, transport, tls }: ClusterFile, flags: ClusterFlags): void {
  const [first] = nodes;
  const check = (flag: string, given: number | string | undefined, actual: number | string | undefined): void => {
    if (given === undefined || given === actual) return;
    throw new CliError(
      `The cluster in ${data} uses --${flag} ${actual}, not ${given}. Omit the flag, or use another --data.`,
      EXIT.usage,
    );
  };
  check('nodes', flags.nodes, nodes.length);
  check('port', flags.port, first?.port);
  check('peer-port', flags.peerPort, first?.peerPort);
  check('transport', flags.transport, transport);
  if (flags.tls === true && tls !== true)
    throw new CliError(
      `The cluster in ${data} was created without --tls. Omit the flag, or use another --data.`,
      EXIT.usage,
    );
  const stores = nodes.map(({ storage }) => storage);
  if (flags.storage !== undefined)
    check('storage', storagesOf(nodes.length, flags.storage).join(','), stores.join(','));
}
