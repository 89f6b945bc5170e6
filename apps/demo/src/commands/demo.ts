import { Agent } from 'node:http';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FolderLockedError, type Lock } from '@kontiki/files';
import { openFolder } from '@kontiki/files/node';
import { CliError, EXIT, oneOf, parse, wholeNumber } from '../cli.js';
import { send } from '../client/ask.js';
import { Children } from '../cluster/children.js';
import { clientUrl, peerUrl, type ClusterFile, type DemoNode } from '../cluster/cluster-file.js';
import { prepareCluster, type Prepared } from '../cluster/prepare.js';
import { STORAGES } from '../cluster/storage.js';
import { TRANSPORTS } from '../cluster/transport.js';
import { tuningArgs, tuningFlags, tuningHelp, tuningOf } from './tuning.js';

const demoHelp = `Starts a replicated key/value cluster on this machine, one process a node.

  kontiki-demo demo [--nodes 3] [--data kontiki-data]

  --nodes N         how many nodes, 1 to 7 (default 3)
  --data DIR        where they keep their data (default kontiki-data); a second start goes on from it
  --port P          HTTP of the first node, the others on the ports after it (default 4001)
  --peer-port P     the same for the nodes' own conversation (default 5001)
  --storage S       what they keep their data in: ${STORAGES.join(', ')} (default fs); fs,memory,fs: for each node its own
  --transport T     what they speak with each other: ${TRANSPORTS.join(', ')} (default ws)
${tuningHelp}  --help            this text

Ctrl-C stops them all. A node that dies is not restarted: kill -9 one and watch.
`;

export async function demoCommand(args: string[]): Promise<number> {
  const { values } = parse('demo', args, {
    nodes: { type: 'string' },
    data: { type: 'string' },
    port: { type: 'string' },
    'peer-port': { type: 'string' },
    storage: { type: 'string' },
    transport: { type: 'string' },
    ...tuningFlags,
  });
  if (values['help'] === true) {
    process.stdout.write(demoHelp);
    return 0;
  }
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const wishes = {
    nodes: wholeNumber('nodes', values['nodes'], 1, 7),
    port: wholeNumber('port', values['port'], 1, 65_528),
    peerPort: wholeNumber('peer-port', values['peer-port'], 1, 65_528),
    storage: oneOf('storage', (values['storage'] as string | undefined)?.split(','), STORAGES),
    transport: oneOf('transport', [values['transport'] ?? []].flat() as string[], TRANSPORTS)?.[0],
  };
  // The nodes would refuse what makes no sense too, but only once the cluster has begun.
  tuningOf(values);
  const pass = ['--data', data, ...tuningArgs(values)];
  const lock = await lockData(data);
  try {
    return await runCluster(await prepareCluster(data, wishes), data, pass);
  } finally {
    await lock.release();
  }
}

/** Two demos that began one cluster at once would each begin another one, or each keep some of its nodes. */
async function lockData(data: string): Promise<Lock> {
  try {
    return await (await openFolder(data)).lock('demo');
  } catch (error) {
    if (error instanceof FolderLockedError) throw error;
    throw new CliError(`--data ${data} cannot be used: ${(error as Error).message}.`, EXIT.failed, { cause: error });
  }
}

async function runCluster({ cluster, begins }: Prepared, data: string, pass: readonly string[]): Promise<number> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  // A cluster that nobody hears of any more would run on unseen.
  process.stdout.on('error', () => stop.abort());
  const children = new Children(print);
  try {
    await startAll(children, { cluster, begins }, pass, stop.signal);
    if (!stop.signal.aborted) await tellWhatToTry(cluster, data, print, stop.signal);
    while (children.running > 0 && !stop.signal.aborted)
      await delay(200, undefined, { signal: stop.signal }).catch(() => {});
  } finally {
    if (children.running > 0) print('stopping …');
    await children.stop();
  }
  if (stop.signal.aborted) print(`stopped. What is on the disk stays in ${data}`);
  else throw new CliError('Every node has ended.');
  return 0;
}

/** A node that has lost its disk stays out, and the others go on; any other failure ends the demo. */
async function startAll(
  children: Children,
  { cluster: { nodes }, begins }: Prepared,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const ends = await Promise.all(nodes.map(async (node) => [node, await children.start(node, args, begins)] as const));
  // Ctrl-C reaches the nodes too: those that had not started yet just end.
  if (signal.aborted) return;
  const failed = ends.filter(([, end]) => end !== 'listens' && end !== EXIT.staysOut).map(([{ id }]) => id);
  if (failed.length > 0) throw new CliError(`${failed.join(', ')} did not start; the reason stands above.`);
  if (ends.every(([, end]) => end === EXIT.staysOut))
    throw new CliError('No node has its data left. Begin another cluster with another --data.');
}

async function leaderAmong(nodes: readonly DemoNode[], signal: AbortSignal): Promise<DemoNode | undefined> {
  const agent = new Agent();
  while (!signal.aborted) {
    for (const node of nodes) {
      // Not `fetch`, which keeps off some ports.
      const status = await send(clientUrl(node), { method: 'GET', path: '/status' }, agent)
        .then(({ body }) => JSON.parse(body) as { role: string })
        .catch(() => undefined);
      if (status?.role === 'leader') return node;
    }
    await delay(50, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

async function tellWhatToTry(
  { nodes, transport }: ClusterFile,
  data: string,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  print('');
  for (const node of nodes)
    print(`${node.id}   clients ${clientUrl(node)}   peers ${peerUrl(node, transport)}   data ${node.storage}`);
  const forgetful = nodes.filter(({ storage }) => storage === 'memory').map(({ id }) => id);
  if (forgetful.length > 0)
    print(`What is kept in memory ends with its process: ${forgetful.join(', ')} cannot be started again.`);
  const first = nodes[0] as DemoNode;
  const reminder = setTimeout(() => print('no leader yet: that takes a majority of the nodes'), 5_000);
  const leader = await leaderAmong(nodes, signal);
  clearTimeout(reminder);
  if (leader === undefined) return;
  print(`
${leader.id} leads. Try, in another terminal (-L follows a follower's redirect to the leader):

  curl -L -X PUT --data-binary 'hello' ${clientUrl(first)}/kv/greeting
  curl -L ${clientUrl(first)}/kv/greeting
  curl -i '${clientUrl(first)}/kv/greeting?consistency=local'
  curl ${clientUrl(first)}/status
  kill -9 $(curl -s ${clientUrl(leader)}/status | grep -o '"pid":[0-9]*' | cut -d: -f2)

Ctrl-C stops the cluster. What it has on the disk stays in ${data}
`);
}
