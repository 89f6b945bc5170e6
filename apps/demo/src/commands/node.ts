import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { bootstrap, RaftNode, SessionMachine, type Logger, type Membership } from '@kontiki/core';
import type { SecurityOptions } from '@kontiki/peers';
import { COMMAND, CliError, DEMO_COMMAND, EXIT, parse, shellWord } from '../cli.js';
import { readCertificate, readSecrets } from '../cluster/certificates.js';
import { clientUrl, HOST, peerUrl, readClusterFile, type ClusterFile, type DemoNode } from '../cluster/cluster-file.js';
import { addNode, join as joinCluster, publishUrl } from '../cluster/join.js';
import { firstMembers } from '../cluster/prepare.js';
import { storagePath, storesAt, type NodeStores } from '../cluster/storage.js';
import { transportOn } from '../cluster/transport.js';
import { Access } from '../http/access.js';
import { KvApi } from '../http/api.js';
import { KvServer } from '../http/server.js';
import { SnapshotApi } from '../http/snapshot-api.js';
import { MAX_COMMAND } from '../kv/command.js';
import { KvMachine } from '../kv/machine.js';
import { plainLogger } from '../logger.js';
import { readToken, tokenFlags } from '../token-file.js';
import { tuningFlags, tuningHelp, tuningOf, type Tuning } from './tuning.js';

const nodeHelp = `Runs one node of a cluster that was created by: ${DEMO_COMMAND}

  ${COMMAND} node --id ID [--new-disk] [flags]
  ${COMMAND} node --join [flags]

  --id ID           the node, for example n1
  --join            start a further node, and add it to the running cluster as a voter
  --new-disk        start the node without its log, because its disk was lost for good
  --data DIR        folder of the cluster (default kontiki-data)
  --secret FILE     shared secrets of the nodes, one per line
  --token-file FILE        token that clients must send; without it, every client is served
  --admin-token-file FILE  token for snapshots and members (default: the same token)
${tuningHelp}  --help            print this text

Stops on SIGTERM and SIGINT. On SIGHUP, reads its certificate or the secrets again.

Exit codes: 0 stopped, 1 failure, 2 invalid command line, 5 the node has lost its log and does not start.
`;

export async function nodeCommand(args: string[]): Promise<number> {
  const { values } = parse('node', args, {
    id: { type: 'string' },
    join: { type: 'boolean' },
    'new-disk': { type: 'boolean' },
    data: { type: 'string' },
    secret: { type: 'string' },
    ...tokenFlags,
    ...tuningFlags,
  });
  if (values['help'] === true) return help();
  const joins = values['join'] === true;
  const named = typeof values['id'] === 'string';
  if (named && joins) throw new CliError('Use either --id or --join, not both.', EXIT.usage);
  const newDisk = values['new-disk'] === true;
  if (newDisk && joins)
    throw new CliError(
      '--new-disk is for a node that has lost its disk. Omit it: --join starts a new node.',
      EXIT.usage,
    );
  if (!named && !joins)
    throw new CliError(`--id is missing: name a node, or add one with --join. See: ${COMMAND} node --help`, EXIT.usage);
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const tuning = tuningOf(values);
  const found = readClusterFile(data);
  if (found?.bootstrapped !== true)
    throw new CliError(`There is no cluster in ${data}. Create one: ${DEMO_COMMAND} --data ${shellWord(data)}`);
  const secret = values['secret'] as string | undefined;
  if (found.tls === true && secret !== undefined)
    throw new CliError('The cluster uses certificates (--tls), so omit --secret.', EXIT.usage);
  if (found.secret === true && secret === undefined)
    throw new CliError('The cluster was created with a shared secret. Start the node with --secret FILE.', EXIT.usage);
  if (secret !== undefined) readSecrets(secret);
  const token = readToken('token-file', values['token-file']);
  const adminToken = readToken('admin-token-file', values['admin-token-file']);
  const id = joins ? await addNode(data) : (values['id'] as string);
  const cluster = readClusterFile(data) as ClusterFile;
  const me = cluster.nodes.find((node) => node.id === id);
  if (me === undefined)
    throw new CliError(
      `The cluster in ${data} has no node ${id}. Its nodes: ${cluster.nodes.map((n) => n.id).join(', ')}.`,
      EXIT.usage,
    );
  if (me.leftBehind === true)
    throw new CliError(
      `${id} was left behind when the cluster was recovered, so it does not start. Delete ${join(data, id)}, and add a new node: ${COMMAND} node --join --data ${shellWord(data)}`,
    );
  if (me.removed === true)
    throw new CliError(
      `${id} was removed from the cluster, so it does not start. Delete ${join(data, id)}, and add a new node: ${COMMAND} node --join --data ${shellWord(data)}`,
    );
  const security = (): SecurityOptions => {
    if (cluster.tls === true) return { tls: readCertificate(data, id) };
    return secret === undefined ? {} : readSecrets(secret);
  };
  const access = new Access({ token, adminToken });
  const logger = plainLogger(process.stderr);
  const onListening = (membership: Membership | undefined, stop: AbortSignal): void => {
    if (newDisk)
      logger.warn(
        `${id} has a new disk, so it does not count. Make a voter of it again: ${COMMAND} member replace ${id} ${id} ${peerUrl(me, cluster.transport)} --data ${shellWord(data)}`,
      );
    const ownToken = adminToken ?? token;
    const { metadata } = membership?.servers.get(id) ?? {};
    if (me.joining === true) {
      joinCluster(data, cluster, me, ownToken, stop).then(
        () => logger.info(`${id} is a voter now`),
        (error: unknown) => stop.aborted || logger.error('cannot join', { error }),
      );
    } else if (metadata !== undefined && metadata !== clientUrl(me, cluster)) {
      publishUrl(data, cluster, me, ownToken).catch((error: unknown) =>
        logger.error('cannot write the new URL for clients to the membership', { error }),
      );
    }
  };
  return run(data, cluster, me, { security, access, tuning, newDisk, onListening }, logger);
}

function help(): number {
  process.stdout.write(nodeHelp);
  return 0;
}

/** Settings of a node from the command line. */
interface Settings {
  /** Reads the node's certificate or shared secrets. */
  readonly security: () => SecurityOptions;
  readonly access: Access;
  readonly tuning: Tuning;
  /** Whether the node has permanently lost its disk and starts on a blank disk. */
  readonly newDisk: boolean;
  /**
   * Called when the node accepts connections from peers and clients. The argument is the membership
   * in the log.
   */
  readonly onListening: (membership: Membership | undefined, stop: AbortSignal) => void;
}

async function run(
  data: string,
  cluster: ClusterFile,
  me: DemoNode,
  settings: Settings,
  logger: Logger,
): Promise<number> {
  const path = storagePath(data, me.id, me.storage);
  const stores = await storesAt(path, me.storage, { logger });
  try {
    return await runOn(stores, path, data, cluster, me, settings, logger);
  } finally {
    await stores.release();
  }
}

async function runOn(
  { log, snapshots }: NodeStores,
  path: string,
  data: string,
  cluster: ClusterFile,
  me: DemoNode,
  { security, access, tuning: { redirects, ...tuning }, newDisk, onListening }: Settings,
  logger: Logger,
): Promise<number> {
  const first = security();
  // If the ports in the cluster file were changed, the file is newer than the log. The file may
  // change while the node runs, so read it for each attempt.
  const dial = (id: string, address: string): string => {
    const node = readClusterFile(data)?.nodes.find((other) => other.id === id);
    return node === undefined ? address : peerUrl(node, cluster.transport);
  };
  const transport = transportOn(cluster.transport, HOST, me.peerPort, first, logger, dial);
  const machine = new KvMachine();
  if (me.storage === 'memory' && (await clusterIsNew())) {
    await bootstrap(log, { cluster: cluster.cluster, server: me.id, members: firstMembers(cluster) });
  }
  const node = await RaftNode.open({
    id: me.id,
    cluster: cluster.cluster,
    address: peerUrl(me, cluster.transport),
    machine: new SessionMachine(machine),
    log,
    snapshots,
    transport,
    ...tuning,
    maxCommandBytes: MAX_COMMAND,
    logger,
  });
  const failed = new Promise<Error>((resolve) => node.on('fatal', ({ error }) => resolve(error)));
  const isBlank = node.status().last === 0;
  if (newDisk && !isBlank) {
    await node.close();
    throw new CliError(
      `${me.id} has its log in ${path}, so its disk is not new. Nothing was changed. Start it without --new-disk.`,
      EXIT.usage,
    );
  }
  if (isBlank && !newDisk && me.joining !== true) {
    await node.close();
    const reason = me.storage === 'memory' ? 'its log was in memory' : `its log in ${path} is gone`;
    throw new CliError(
      `${me.id} does not start: ${reason}. It has lost its votes and entries, so it could elect a second leader or lose acknowledged writes. The other nodes are not affected. If the log is lost for good, start ${me.id} with --new-disk.`,
      EXIT.staysOut,
    );
  }
  let server: KvServer;
  try {
    checkMembers(cluster, node.status().membership);
    const api = new KvApi({
      node,
      machine,
      snapshots: await SnapshotApi.open(node, snapshots),
      logger,
      access,
      redirects,
      retryMs: 2 * tuning.timings.election,
    });
    server = new KvServer(api.handler, first.tls);
    await server.listen(me.port, HOST).catch((error: unknown) => {
      throw listenFailed(me, error);
    });
  } catch (error) {
    await node.close();
    throw error;
  }
  process.on('SIGHUP', () => reload(transport, server, security, logger));
  const stop = new AbortController();
  onListening(node.status().membership, stop.signal);
  logger.info(`listening on ${clientUrl(me, cluster)}`, { pid: process.pid });
  // If the demo has died, the channel is closed, so stopRequested() resolves immediately.
  if (process.connected) process.send?.({ ready: true });
  const error = await Promise.race([failed, stopRequested()]);
  stop.abort();
  // Closing the node ends all calls, so that the server can answer all clients.
  await Promise.all([server.close(), node.close()]);
  // The node itself has already logged the error.
  if (error !== undefined) return EXIT.failed;
  logger.info('stopped');
  return 0;
}

/**
 * Throws if the cluster file and the membership in the log disagree about certificates, for example
 * because the file was edited. The ports in the file may differ from the membership.
 */
function checkMembers(cluster: ClusterFile, membership: Membership | undefined): void {
  const inFile = cluster.tls === true ? 'https:' : 'http:';
  for (const { id } of cluster.nodes) {
    const { metadata = '' } = membership?.servers.get(id) ?? {};
    if (metadata === '' || metadata.startsWith(inFile)) continue;
    throw new CliError(
      `cluster.json contradicts the members in the log. Clients of cluster.json use ${inFile} but ${id} has ${metadata} in the log. No data was changed. Correct "tls" in cluster.json.`,
    );
  }
}

/**
 * Reads the certificate or the secrets again. Keeps the previous ones if the new ones are invalid.
 */
function reload(
  transport: ReturnType<typeof transportOn>,
  server: KvServer,
  security: () => SecurityOptions,
  logger: Logger,
): void {
  try {
    const { tls, secrets } = security();
    if (tls !== undefined) {
      transport.setTls(tls);
      server.setTls(tls);
    }
    if (secrets !== undefined) transport.setSecrets(secrets);
    logger.info('read the certificate or the secrets again');
  } catch (error) {
    logger.error('cannot use the new certificate or secrets, so the old ones stay in use', { error });
  }
}

/** Resolves with true if a demo started this process and has just created the cluster. */
async function clusterIsNew(): Promise<boolean> {
  if (!process.connected) return false;
  const [message] = (await once(process, 'message')) as [{ readonly clusterIsNew: boolean }];
  return message.clusterIsNew;
}

/** Resolves on SIGTERM or SIGINT, or when the demo that started this process dies. */
function stopRequested(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(undefined));
    if (process.connected) process.once('disconnect', () => resolve(undefined));
    else if (process.send !== undefined) resolve(undefined);
  });
}

function listenFailed({ id, port }: DemoNode, error: unknown): CliError {
  const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  const text = inUse ? 'the port is in use by another process. Stop that process' : (error as Error).message;
  return new CliError(`${id} cannot listen on ${HOST}:${port}: ${text}.`, EXIT.failed, { cause: error });
}
