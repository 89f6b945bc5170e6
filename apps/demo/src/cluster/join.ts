import { CliError, COMMAND } from '../cli.js';
import { HttpClient } from '../client/http-client.js';
import { send } from '../commands/member.js';
import { authorityOf, issueCertificate } from './certificates.js';
import {
  clientUrl,
  peerUrl,
  readClusterFile,
  writeClusterFile,
  type ClusterFile,
  type DemoNode,
} from './cluster-file.js';

const MAX_NODES = 9;

/**
 * Records a further node in the cluster file, with the next id and the next ports, and creates its
 * certificate. The node is not a member yet.
 */
export async function addNode(data: string, cluster: ClusterFile): Promise<DemoNode> {
  const numbers = cluster.nodes.map(({ id }) => Number(id.slice(1)));
  const number = Math.max(...numbers) + 1;
  if (number > MAX_NODES) throw new CliError(`The demo has at most ${MAX_NODES} nodes.`);
  const used = new Set(cluster.nodes.flatMap(({ port, peerPort }) => [port, peerPort]));
  const free = (from: number): number => {
    let port = from;
    while (used.has(port)) port += 1;
    used.add(port);
    return port;
  };
  const storage = cluster.nodes[0]?.storage === 'level' ? 'level' : 'fs';
  const port = free(Math.max(...cluster.nodes.map((node) => node.port)) + 1);
  const peerPort = free(Math.max(...cluster.nodes.map((node) => node.peerPort)) + 1);
  const node: DemoNode = { id: `n${number}`, port, peerPort, storage, joining: true };
  if (cluster.tls === true) await issueCertificate(data, cluster.cluster, node.id);
  writeClusterFile(data, { ...cluster, nodes: [...cluster.nodes, node] });
  return node;
}

/** Asks the cluster to make a voter of a node that runs. Resolves when it is one. */
export async function join(
  data: string,
  cluster: ClusterFile,
  me: DemoNode,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const http = new HttpClient({ headers, ca: authorityOf(data, cluster) });
  const urls = cluster.nodes.filter(({ id }) => id !== me.id).map((node) => clientUrl(node, cluster));
  const change = {
    change: 'add' as const,
    id: me.id,
    address: peerUrl(me, cluster.transport),
    metadata: clientUrl(me, cluster),
  };
  try {
    await send({ urls, http }, change);
  } catch (error) {
    throw new CliError(
      `${me.id} is not a voter yet: ${(error as Error).message} Start it again to try again: ${COMMAND} node --id ${me.id}`,
      undefined,
      { cause: error },
    );
  } finally {
    http.close();
  }
  // Read the file again, because another node may have joined at the same time.
  const now = readClusterFile(data) as ClusterFile;
  const nodes = now.nodes.map((node) => {
    if (node.id !== me.id) return node;
    const { joining: _, ...rest } = node;
    return rest;
  });
  writeClusterFile(data, { ...now, nodes });
}
