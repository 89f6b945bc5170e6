import { once } from 'node:events';
import { resolve } from 'node:path';
import { bootstrap, isKontikiError, RaftNode, type Logger } from '@kontiki/core';
import { CliError, EXIT, parse } from '../cli.js';
import { clientUrl, HOST, readClusterFile, type ClusterFile, type DemoNode } from '../cluster/cluster-file.js';
import { firstMembers } from '../cluster/prepare.js';
import { storagePath, storesAt, type NodeStores } from '../cluster/storage.js';
import { transportOn } from '../cluster/transport.js';
import { KvApi } from '../http/api.js';
import { SnapshotApi } from '../http/snapshot-api.js';
import { MAX_COMMAND } from '../kv/command.js';
import { KvMachine } from '../kv/machine.js';
import { plainLogger } from '../logger.js';
import { tuningFlags, tuningHelp, tuningOf, type Tuning } from './tuning.js';

const nodeHelp = `Runs one node of a cluster that \`kontiki-demo demo\` has begun.

  kontiki-demo node --id n1 [--data kontiki-data]

  --id ID           which node
  --data DIR        the cluster's folder (default kontiki-data)
${tuningHelp}  --help            this text

Stops on SIGTERM and SIGINT. Exit codes: 0 stopped, 1 failed, 2 bad flags, 5 its log is lost, it stays out.
`;

export async function nodeCommand(args: string[]): Promise<number> {
  const { values } = parse('node', args, {
    id: { type: 'string' },
    data: { type: 'string' },
    ...tuningFlags,
  });
  if (values['help'] === true) return help();
  const id = values['id'];
  if (typeof id !== 'string') throw new CliError('--id is missing. See: kontiki-demo node --help', EXIT.usage);
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const tuning = tuningOf(values);
  const cluster = readClusterFile(data);
  if (cluster?.bootstrapped !== true)
    throw new CliError(`${data} holds no cluster yet. Begin one: kontiki-demo demo --data ${data}`);
  const me = cluster.nodes.find((node) => node.id === id);
  if (me === undefined)
    throw new CliError(
      `The cluster in ${data} has ${cluster.nodes.map((n) => n.id).join(', ')}, and no ${id}.`,
      EXIT.usage,
    );
  await run(data, cluster, me, tuning, plainLogger(process.stderr));
  return 0;
}

function help(): number {
  process.stdout.write(nodeHelp);
  return 0;
}

async function run(data: string, cluster: ClusterFile, me: DemoNode, tuning: Tuning, logger: Logger): Promise<void> {
  const path = storagePath(data, me.id, me.storage);
  const stores = await storesAt(path, me.storage, logger);
  try {
    await runOn(stores, path, cluster, me, tuning, logger);
  } finally {
    await stores.release();
  }
}

async function runOn(
  { log, snapshots }: NodeStores,
  path: string,
  cluster: ClusterFile,
  me: DemoNode,
  tuning: Tuning,
  logger: Logger,
): Promise<void> {
  const machine = new KvMachine();
  if (me.storage === 'memory' && (await begins())) {
    await bootstrap(log, { cluster: cluster.cluster, server: me.id, members: firstMembers(cluster) });
  }
  const node = await RaftNode.open({
    id: me.id,
    cluster: cluster.cluster,
    machine,
    log,
    snapshots,
    transport: transportOn(cluster.transport, HOST, me.peerPort, logger),
    ...tuning,
    maxCommandBytes: MAX_COMMAND,
    logger,
  });
  const failed = new Promise<Error>((stop) => node.on('fatal', ({ error }) => stop(error)));
  if (node.status().last === 0) {
    await node.close();
    const why = me.storage === 'memory' ? 'it kept its log in memory' : `its log in ${path} is gone`;
    throw new CliError(
      `${me.id} stays out: ${why}, and the cluster has begun. A server that forgot what it voted and acknowledged must not come back under its id.`,
      EXIT.staysOut,
    );
  }
  const server = new KvApi({ node, machine, snapshots: new SnapshotApi(node, snapshots), logger }).server();
  try {
    server.listen(me.port, HOST);
    await once(server, 'listening');
  } catch (error) {
    await node.close();
    throw listenFailed(me, error);
  }
  logger.info(`listens on ${clientUrl(me)}`, { pid: process.pid });
  // A demo that has died meanwhile does not hear it; it has a stop asked.
  if (process.connected) process.send?.({ ready: true });
  const error = await Promise.race([failed, stopAsked()]);
  server.close();
  server.closeAllConnections();
  await node.close();
  if (error !== undefined) throw new CliError(describeFailure(error), EXIT.failed, { cause: error });
  logger.info('stopped');
}

/** Whether the demo that has started this process has just begun the cluster. */
async function begins(): Promise<boolean> {
  if (!process.connected) return false;
  const [{ begins: told }] = (await once(process, 'message')) as [{ readonly begins: boolean }];
  return told;
}

/** Resolves when somebody wants this process to end: a signal, or the death of the demo that started it. */
function stopAsked(): Promise<undefined> {
  return new Promise((stop) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(undefined));
    if (process.connected) process.once('disconnect', () => stop(undefined));
    else if (process.send !== undefined) stop(undefined);
  });
}

function listenFailed({ id, port }: DemoNode, error: unknown): CliError {
  const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  const text = taken ? `port ${port} is in use by another process` : (error as Error).message;
  return new CliError(`${id} cannot listen on ${HOST}:${port}: ${text}.`, EXIT.failed, { cause: error });
}

export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause: reason } = error;
  const cause = reason instanceof Error && !message.includes(reason.message) ? ` (${reason.message})` : '';
  return isKontikiError(error) ? `${message}${cause} [${error.code}]` : `${message}${cause}`;
}
