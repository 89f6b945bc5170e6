import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap, createClusterId, isKontikiError, silentLogger, type BootstrapOptions } from '@kontiki/core';
import { CliError, EXIT } from '../cli.js';
import { clientUrl, peerUrl, readClusterFile, writeClusterFile, type ClusterFile } from './cluster-file.js';
import { storagePath, storesAt, type Storage } from './storage.js';
import type { TransportName } from './transport.js';

/** What the command line asks for; undefined where it says nothing. */
export interface Wishes {
  readonly nodes: number | undefined;
  readonly port: number | undefined;
  readonly peerPort: number | undefined;
  /** One for all nodes, or one for each. */
  readonly storage: readonly Storage[] | undefined;
  readonly transport: TransportName | undefined;
}

export interface Prepared {
  readonly cluster: ClusterFile;
  /** Nodes that keep their data in memory are blank now, as they must be, and never again. */
  readonly begins: boolean;
}

const defaults = { nodes: 3, port: 4001, peerPort: 5001 };

/** The cluster in a folder, begun if there is none. Wishes that contradict what is there are refused. */
export async function prepareCluster(data: string, wishes: Wishes): Promise<Prepared> {
  const held = readClusterFile(data);
  if (held === undefined) {
    const fresh = draw(wishes);
    const left = fresh.nodes.find(({ id }) => existsSync(join(data, id)));
    if (left !== undefined)
      throw new CliError(
        `${data} holds ${left.id} of a cluster, but no cluster.json. Restore that, or use another --data.`,
      );
    // Written before the first log is: whatever happens between, the next start goes on with the same cluster.
    writeClusterFile(data, fresh);
    return { cluster: await begin(data, fresh), begins: true };
  }
  refuseContradictions(data, held, wishes);
  if (held.bootstrapped) return { cluster: held, begins: false };
  return { cluster: await begin(data, held), begins: true };
}

function draw(wishes: Wishes): ClusterFile {
  const { nodes, port, peerPort } = {
    nodes: wishes.nodes ?? defaults.nodes,
    port: wishes.port ?? defaults.port,
    peerPort: wishes.peerPort ?? defaults.peerPort,
  };
  const storages = storagesOf(nodes, wishes.storage);
  const overlap = Math.abs(port - peerPort) < nodes;
  if (overlap)
    throw new CliError(
      `--port ${port} and --peer-port ${peerPort} overlap with ${nodes} nodes; leave at least ${nodes} between them.`,
      EXIT.usage,
    );
  return {
    version: 2,
    cluster: createClusterId('demo'),
    transport: wishes.transport ?? 'ws',
    nodes: storages.map((storage, i) => ({ id: `n${i + 1}`, port: port + i, peerPort: peerPort + i, storage })),
    bootstrapped: false,
  };
}

function storagesOf(nodes: number, wishes: readonly Storage[] = ['fs']): Storage[] {
  if (wishes.length !== 1 && wishes.length !== nodes)
    throw new CliError(
      `--storage names ${wishes.length} stores for ${nodes} nodes: name one, or ${nodes}.`,
      EXIT.usage,
    );
  return Array.from({ length: nodes }, (_, i) => wishes[i] ?? (wishes[0] as Storage));
}

/** What the first entry of the cluster is made of. */
export function firstMembers({ nodes, transport }: ClusterFile): BootstrapOptions['members'] {
  return Object.fromEntries(
    nodes.map((node) => [node.id, { address: peerUrl(node, transport), metadata: clientUrl(node) }]),
  );
}

/** Writes the first entry on every server that keeps it, then the mark that this was done. */
async function begin(data: string, file: ClusterFile): Promise<ClusterFile> {
  const { cluster, nodes } = file;
  for (const { id, storage } of nodes) {
    if (storage === 'memory') continue;
    try {
      const { log, release } = await storesAt(storagePath(data, id, storage), storage, silentLogger);
      try {
        await bootstrap(log, { cluster, server: id, members: firstMembers(file) });
      } finally {
        await release();
      }
    } catch (error) {
      // Done by an earlier start that did not come to its end; no node has run yet.
      if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
    }
  }
  const begun = { ...file, bootstrapped: true };
  writeClusterFile(data, begun);
  return begun;
}

function refuseContradictions(data: string, { nodes, transport }: ClusterFile, wishes: Wishes): void {
  const [first] = nodes;
  const contradicts = (flag: string, wish: number | string | undefined, is: number | string | undefined): void => {
    if (wish === undefined || wish === is) return;
    throw new CliError(
      `${data} holds a cluster with --${flag} ${is}, not ${wish}. Leave the flag out, or use another --data.`,
      EXIT.usage,
    );
  };
  contradicts('nodes', wishes.nodes, nodes.length);
  contradicts('port', wishes.port, first?.port);
  contradicts('peer-port', wishes.peerPort, first?.peerPort);
  contradicts('transport', wishes.transport, transport);
  const stores = nodes.map(({ storage }) => storage);
  if (wishes.storage !== undefined)
    contradicts('storage', storagesOf(nodes.length, wishes.storage).join(','), stores.join(','));
}
