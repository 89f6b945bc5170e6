import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap, createClusterId, isKontikiError } from '@kontiki/core';
import { FileLog } from '@kontiki/storage-fs';
import { CliError, EXIT } from '../cli.js';
import { clientUrl, peerUrl, readClusterFile, writeClusterFile, type ClusterFile } from './cluster-file.js';

/** What the command line asks for; undefined where it says nothing. */
export interface Wishes {
  readonly nodes: number | undefined;
  readonly port: number | undefined;
  readonly peerPort: number | undefined;
}

const defaults = { nodes: 3, port: 4001, peerPort: 5001 };

/** The cluster in a folder, begun if there is none. Wishes that contradict what is there are refused. */
export async function prepareCluster(data: string, wishes: Wishes): Promise<ClusterFile> {
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
    return begin(data, fresh);
  }
  refuseContradictions(data, held, wishes);
  return held.bootstrapped ? held : begin(data, held);
}

function draw(wishes: Wishes): ClusterFile {
  const { nodes, port, peerPort } = {
    nodes: wishes.nodes ?? defaults.nodes,
    port: wishes.port ?? defaults.port,
    peerPort: wishes.peerPort ?? defaults.peerPort,
  };
  const overlap = Math.abs(port - peerPort) < nodes;
  if (overlap)
    throw new CliError(
      `--port ${port} and --peer-port ${peerPort} overlap with ${nodes} nodes; leave at least ${nodes} between them.`,
      EXIT.usage,
    );
  return {
    version: 1,
    cluster: createClusterId('demo'),
    nodes: Array.from({ length: nodes }, (_, i) => ({ id: `n${i + 1}`, port: port + i, peerPort: peerPort + i })),
    bootstrapped: false,
  };
}

/** Writes the first entry on every server, then the mark that this was done. */
async function begin(data: string, file: ClusterFile): Promise<ClusterFile> {
  const { cluster, nodes } = file;
  const members = Object.fromEntries(
    nodes.map((node) => [node.id, { address: peerUrl(node), metadata: clientUrl(node) }]),
  );
  for (const { id } of nodes) {
    try {
      await bootstrap(new FileLog(join(data, id)), { cluster, server: id, members });
    } catch (error) {
      // Done by an earlier start that did not come to its end; no node has run yet.
      if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
    }
  }
  const begun = { ...file, bootstrapped: true };
  writeClusterFile(data, begun);
  return begun;
}

function refuseContradictions(data: string, { nodes }: ClusterFile, wishes: Wishes): void {
  const [first] = nodes;
  const contradicts = (flag: string, wish: number | undefined, is: number | undefined): void => {
    if (wish === undefined || wish === is) return;
    throw new CliError(
      `${data} holds a cluster with --${flag} ${is}, not ${wish}. Leave the flag out, or use another --data.`,
      EXIT.usage,
    );
  };
  contradicts('nodes', wishes.nodes, nodes.length);
  contradicts('port', wishes.port, first?.port);
  contradicts('peer-port', wishes.peerPort, first?.peerPort);
}
