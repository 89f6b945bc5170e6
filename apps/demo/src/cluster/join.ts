import { CliError, EXIT, COMMAND } from '../cli.js';
import { MembersClient } from '../client/members-client.js';
import { authorityOf, issueCertificate } from './certificates.js';
import { clientUrl, livingNodes, peerUrl, updateClusterFile, type ClusterFile, type DemoNode } from './cluster-file.js';

const MAX_NODES = 99;

/**
 * Records another node in the cluster file, with the next id and the next ports, and creates its
 * certificate. The node is not a member yet. Resolves with its id.
 */
export async function addNode(data: string): Promise<string> {
  let id = '';
  const { cluster, tls } = await updateClusterFile(data, (file) => {
    const node = nextNode(file);
    ({ id } = node);
    return { ...file, nodes: [...file.nodes, node] };
  });
  try {
    if (tls === true) await issueCertificate(data, cluster, id);
  } catch (error) {
    await updateClusterFile(data, (file) => ({ ...file, nodes: file.nodes.filter((node) => node.id !== id) }));
    throw error;
  }
  return id;
}

function nextNode({ nodes }: ClusterFile): DemoNode {
  const number = Math.max(...nodes.map(({ id }) => Number(id.slice(1)))) + 1;
  if (number > MAX_NODES) throw new CliError(`The demo has at most ${MAX_NODES} nodes.`);
  const used = new Set(nodes.flatMap(({ port, peerPort }) => [port, peerPort]));
  const freeAfter = (ports: readonly number[]): number => {
    let port = Math.max(...ports) + 1;
    while (used.has(port)) port += 1;
    used.add(port);
    return port;
  };
  return {
    id: `n${number}`,
    port: freeAfter(nodes.map(({ port }) => port)),
    peerPort: freeAfter(nodes.map(({ peerPort }) => peerPort)),
    storage: nodes[0]?.storage === 'level' ? 'level' : 'fs',
    joining: true,
  };
}

/**
 * Writes a node's URL for clients to the membership. Other nodes redirect clients to the URL in the
 * membership. This is needed after the port has been changed in the cluster file.
 */
export async function publishUrl(
  data: string,
  cluster: ClusterFile,
  me: DemoNode,
  token: string | undefined,
): Promise<void> {
  // Redirects to a leader fail if the leader's URL has changed. Therefore, try all nodes directly,
  // including this one, because it may be the leader.
  await ask(data, cluster, livingNodes(cluster), token, (client) =>
    client.change({ change: 'metadata', id: me.id, metadata: clientUrl(me, cluster) }),
  );
}

/** Requests the list of members, or a membership change, from the given nodes. */
async function ask(
  data: string,
  cluster: ClusterFile,
  nodes: readonly DemoNode[],
  token: string | undefined,
  question: (client: MembersClient) => Promise<unknown>,
  stop?: AbortSignal,
): Promise<void> {
  const urls = nodes.map((node) => clientUrl(node, cluster));
  const client = new MembersClient({ urls, token, tls: { ca: authorityOf(data, cluster) } }, stop);
  try {
    await question(client);
  } finally {
    client.close();
  }
}

/**
 * Asks the cluster to make a running node a voter. Resolves when the node is a voter. Gives up when
 * `stop` is aborted.
 */
export async function join(
  data: string,
  cluster: ClusterFile,
  me: DemoNode,
  token: string | undefined,
  stop: AbortSignal,
): Promise<void> {
  const others = livingNodes(cluster).filter(({ id }) => id !== me.id);
  try {
    await ask(
      data,
      cluster,
      others,
      token,
      async (client) => {
        // An earlier start may have been interrupted after the node became a voter.
        const { members } = await client.list();
        if (members.some(({ id, part }) => id === me.id && part === 'voter')) return;
        const address = peerUrl(me, cluster.transport);
        const change = { change: 'add', id: me.id, address, metadata: clientUrl(me, cluster) } as const;
        // After an unknown outcome, the call continues where the earlier one has ended.
        await client.change(change).catch((error: unknown) => {
          if (!(error instanceof CliError && error.exitCode === EXIT.unknown)) throw error;
          return client.change(change);
        });
      },
      stop,
    );
  } catch (error) {
    throw new CliError(
      `${me.id} is not a voter yet (${(error as Error).message}) Stop this process, then start the node again: ${COMMAND} node --id ${me.id}`,
      undefined,
      { cause: error },
    );
  }
  await updateClusterFile(data, (file) => ({
    ...file,
    nodes: file.nodes.map(({ joining, ...node }) =>
      joining === true && node.id !== me.id ? { ...node, joining } : node,
    ),
  }));
}
