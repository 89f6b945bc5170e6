import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HttpClient } from '@kontiki/client';
import { PeerSecurity } from '@kontiki/peers';
import { CliError, DEMO_COMMAND, EXIT, oneOf, parse, shellWord, wholeNumber } from '../cli.js';
import { authorityOf, authorityPath, readSecrets } from '../cluster/certificates.js';
import { clientUrl, livingNodes, peerUrl, type ClusterFile, type DemoNode } from '../cluster/cluster-file.js';
import { STORAGES, TRANSPORTS } from '../cluster/kinds.js';
import { lockData } from '../cluster/lock-data.js';
import { NodeProcesses } from '../cluster/node-processes.js';
import { checkNewCluster, prepareCluster, type PreparedCluster } from '../cluster/prepare.js';
import { readToken, tokenFlags } from '../token-file.js';
import { tuningArgs, tuningFlags, tuningHelp, tuningOf } from './tuning.js';

const demoHelp = `Starts a cluster of a replicated key/value store on this machine, with one process per node.

  ${DEMO_COMMAND} [flags]

  --nodes N         number of nodes, 1 to 7 (default 3)
  --data DIR        folder of the cluster (default kontiki-data); a later start continues with its data
  --port P          HTTP port of the first node; the other nodes use the next ports (default 4001)
  --peer-port P     peer port of the first node; the other nodes use the next ports (default 5001)
  --storage S       one store for all nodes or one per node, as in fs,memory,fs (default fs)
                    fs: files; level: LevelDB; memory: lost when the process ends
  --transport T     transport between the nodes: ${TRANSPORTS.join(' or ')} (default ws)
  --tls             nodes authenticate each other with certificates of a throw-away authority,
                    and serve clients over HTTPS with them
  --secret FILE     or nodes authenticate each other with the shared secrets in a file, one per line
  --token-file FILE        token that clients must send; without it, every client is served
  --admin-token-file FILE  token for snapshots and members (default: the same token)
${tuningHelp}  --help            print this text

Ctrl-C stops all nodes. The demo does not restart a node that dies, so try kill -9 on one.
`;

export async function demoCommand(args: string[]): Promise<number> {
  const { values } = parse('demo', args, {
    nodes: { type: 'string' },
    data: { type: 'string' },
    port: { type: 'string' },
    'peer-port': { type: 'string' },
    storage: { type: 'string' },
    transport: { type: 'string' },
    tls: { type: 'boolean' },
    secret: { type: 'string' },
    ...tokenFlags,
    ...tuningFlags,
  });
  if (values['help'] === true) {
    process.stdout.write(demoHelp);
    return 0;
  }
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const flags = {
    nodes: wholeNumber('nodes', values['nodes'], 1, 7),
    port: wholeNumber('port', values['port'], 1, 65_528),
    peerPort: wholeNumber('peer-port', values['peer-port'], 1, 65_528),
    storage: oneOf('storage', (values['storage'] as string | undefined)?.split(','), STORAGES),
    transport: oneOf('transport', [values['transport'] ?? []].flat() as string[], TRANSPORTS)?.[0],
    tls: values['tls'] as true | undefined,
    secret: values['secret'] === undefined ? undefined : (true as const),
  };
  const secret = values['secret'] as string | undefined;
  if (flags.tls === true && secret !== undefined)
    throw new CliError('Use either --tls or --secret, not both.', EXIT.usage);
  // Report invalid values now, because the nodes would report them only after the cluster has been
  // created.
  const { redirects } = tuningOf(values);
  if (secret !== undefined) new PeerSecurity(readSecrets(secret));
  checkNewCluster(data, flags);
  const files = ['secret', 'token-file', 'admin-token-file'].flatMap((flag) => {
    const file = values[flag] as string | undefined;
    return file === undefined ? [] : [`--${flag}`, resolve(file)];
  });
  const tokenFile = values['token-file'] as string | undefined;
  readToken('token-file', tokenFile);
  readToken('admin-token-file', values['admin-token-file']);
  const nodeArgs = ['--data', data, ...files, ...tuningArgs(values)];
  const lock = await lockData(data);
  try {
    return await runCluster(await prepareCluster(data, flags), data, nodeArgs, { tokenFile, redirects });
  } finally {
    await lock.release();
  }
}

/** The flags of the nodes that also affect their clients. */
interface ClientFlags {
  /** Path of a file with the token that clients must send. */
  readonly tokenFile: string | undefined;
  /** Whether followers redirect clients to the leader. */
  readonly redirects: boolean;
}

async function runCluster(
  { cluster: file, isNew }: PreparedCluster,
  data: string,
  nodeArgs: readonly string[],
  clients: ClientFlags,
): Promise<number> {
  const cluster = { ...file, nodes: livingNodes(file) };
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const http = new HttpClient({ tls: { ca: authorityOf(data, cluster) } });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  // If the output is closed, stop. Otherwise the cluster would keep running unnoticed.
  process.stdout.on('error', () => stop.abort());
  let showing = new AbortController();
  const showCommands = (): Promise<void> => {
    showing.abort();
    showing = new AbortController();
    return printCommands(cluster, http, data, clients, print, AbortSignal.any([stop.signal, showing.signal]));
  };
  // Once a node has exited, the printed commands may no longer work, so print commands for another
  // node.
  const processes = new NodeProcesses(print, () => void showCommands());
  try {
    await startAll(processes, { cluster, isNew }, nodeArgs, stop.signal);
    if (!stop.signal.aborted) {
      printCluster(cluster, print);
      await showCommands();
    }
    while (processes.running > 0 && !stop.signal.aborted)
      await delay(200, undefined, { signal: stop.signal }).catch(() => {});
  } finally {
    showing.abort();
    http.close();
    if (processes.running > 0) print('stopping …');
    await processes.stop();
  }
  if (stop.signal.aborted) print(`stopped. Data on disk stays in ${data}`);
  else throw new CliError('All nodes have exited. Their last lines above give the reasons.');
  return 0;
}

/**
 * Starts all nodes. If a node has lost its log, the other nodes run without it. Any other failure
 * ends the demo.
 */
async function startAll(
  processes: NodeProcesses,
  { cluster: { nodes }, isNew }: PreparedCluster,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const results = await Promise.all(
    nodes.map(async (node) => [node, await processes.start(node, args, isNew)] as const),
  );
  // Ctrl-C also reaches the nodes, so nodes that were starting may already have exited.
  if (signal.aborted) return;
  // The other nodes do not need a node that is not a member yet.
  const failed = results
    .filter(([{ joining }, result]) => result !== 'listening' && result !== EXIT.staysOut && joining !== true)
    .map(([{ id }]) => id);
  if (failed.length > 0)
    throw new CliError(
      `Not started: ${failed.join(', ')}. The lines above give the reason. The other nodes were stopped.`,
    );
  if (results.every(([, result]) => result === EXIT.staysOut))
    throw new CliError('All nodes have lost their data. Start a new cluster with another --data.');
}

/** Time limit for a node to report its role, in milliseconds. */
const HEALTH_LIMIT = 3_000;

/** The response to `GET /health`. */
interface Health {
  readonly role: string;
  readonly founded: boolean;
}

interface Leading {
  readonly leader: DemoNode;
  /**
   * A running node to which requests can be sent. The node is a follower if possible, so that
   * requests still work after the leader is killed.
   */
  readonly entry: DemoNode;
}

/**
 * Polls the nodes until one of them leads and two of them know that the cluster is founded. Until
 * then, the failure of any node would stop the cluster. From then on, any one node may fail.
 * Resolves with undefined if `signal` is aborted first.
 */
async function waitForLeader(
  cluster: ClusterFile,
  http: HttpClient,
  signal: AbortSignal,
): Promise<Leading | undefined> {
  const { nodes } = cluster;
  const healthOf = (node: DemoNode): Promise<Health | undefined> =>
    http
      .send(clientUrl(node, cluster), { method: 'GET', path: '/health' }, HEALTH_LIMIT)
      .then(({ body }) => JSON.parse(body.toString()) as Health)
      .catch(() => undefined);
  while (!signal.aborted) {
    const healths = await Promise.all(nodes.map(healthOf));
    const leader = nodes.find((_, i) => healths[i]?.role === 'leader');
    const founded = healths.filter((health) => health?.founded === true);
    if (leader !== undefined && founded.length >= Math.min(2, nodes.length))
      return { leader, entry: nodes.find((_, i) => healths[i]?.role === 'follower') ?? leader };
    await delay(50, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

function printCluster(cluster: ClusterFile, print: (line: string) => void): void {
  const { nodes, transport, tls } = cluster;
  print('');
  for (const node of nodes)
    print(
      `${node.id}   clients ${clientUrl(node, cluster)}   peers ${peerUrl(node, transport)}   data ${node.storage}`,
    );
  if (tls === true) print('Nodes use the certificates in the folder tls, for each other and for clients.');
  const inMemory = nodes.filter(({ storage }) => storage === 'memory').map(({ id }) => id);
  if (inMemory.length > 0)
    print(`Data in memory is lost when its process ends: ${inMemory.join(', ')} cannot be started again.`);
}

/** Prints commands to try, as soon as there is a leader. */
async function printCommands(
  cluster: ClusterFile,
  http: HttpClient,
  data: string,
  clients: ClientFlags,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const reminder = setTimeout(
    () =>
      print(
        'No leader yet. An election needs a majority of the nodes. In a new cluster, all of them must have met once.',
      ),
    5_000,
  );
  const { tokenFile, redirects } = clients;
  const leading = await waitForLeader(cluster, http, signal);
  clearTimeout(reminder);
  if (leading === undefined) return;
  const { leader } = leading;
  const entry = clientUrl(leading.entry, cluster);
  const ca = cluster.tls === true ? ` --cacert ${shellWord(authorityPath(data))}` : '';
  const token = tokenFile === undefined ? '' : ` -H "Authorization: Bearer $(cat ${shellWord(resolve(tokenFile))})"`;
  const curl = `curl${ca}${token}`;
  // With --redirect, curl sends the token to the leader's port only with --location-trusted.
  const location = tokenFile === undefined ? ' -L' : ' --location-trusted';
  const follow = redirects ? location : '';
  print(`
${leader.id} leads. Try these commands in another terminal:

  ${curl}${follow} -X PUT --data-binary 'hello' ${entry}/kv/greeting
  ${curl}${follow} ${entry}/kv/greeting
  ${curl} -i '${entry}/kv/greeting?consistency=local'
  ${curl} ${entry}/status
  kill -9 $(${curl} -s ${clientUrl(leader, cluster)}/status | grep -o '"pid":[0-9]*' | cut -d: -f2)

Ctrl-C stops the cluster. Data on disk stays in ${data}
`);
}
