import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { isKontikiError, restoreServer, silentLogger } from '@kontiki/core';
import { checkSnapshot, MAX_SNAPSHOT_HEAD, type SnapshotSummary } from '@kontiki/core/wire';
import { PeerSecurity } from '@kontiki/peers';
import { COMMAND, CliError, EXIT, oneOf, parse, shellWord, wholeNumber } from '../cli.js';
import { readSecrets } from '../cluster/certificates.js';
import { clientUrl, peerUrl, writeClusterFile, type ClusterFile, type DemoNode } from '../cluster/cluster-file.js';
import { STORAGES, TRANSPORTS } from '../cluster/kinds.js';
import { lockData } from '../cluster/lock-data.js';
import { clusterToRestore, prepareRestore } from '../cluster/prepare.js';
import { storagePath, storesAt } from '../cluster/storage.js';

const durableStores = STORAGES.filter((storage) => storage !== 'memory');

const help = `Begins a new cluster of one node with the data of a saved snapshot.

  ${COMMAND} restore --from FILE --data DIR [flags]

  --from FILE       snapshot, saved by: ${COMMAND} snapshot save FILE
  --data DIR        folder of the new cluster, which must not have one yet (default kontiki-data)
  --port P          HTTP port of the node (default 4001)
  --peer-port P     peer port of the node (default 5001)
  --storage S       store of the node: ${durableStores.join(' or ')} (default fs)
  --transport T     transport between the nodes: ${TRANSPORTS.join(' or ')} (default ws)
  --tls             nodes use certificates of a new throw-away authority
  --secret FILE     or the shared secrets in a file, one per line
  --help            print this text

Checks every byte of the file first. The new cluster has an id of its own, so nodes of the old one
cannot reach it. If the command is interrupted, run it again.

Exit codes: 0 success, 1 failure, 2 invalid command line.
`;

export async function restoreCommand(args: string[]): Promise<number> {
  const { values } = parse('restore', args, {
    from: { type: 'string' },
    data: { type: 'string' },
    port: { type: 'string' },
    'peer-port': { type: 'string' },
    storage: { type: 'string' },
    transport: { type: 'string' },
    tls: { type: 'boolean' },
    secret: { type: 'string' },
  });
  if (values['help'] === true) {
    process.stdout.write(help);
    return 0;
  }
  if (values['from'] === undefined)
    throw new CliError(`--from FILE is missing. See: ${COMMAND} restore --help`, EXIT.usage);
  const secret = values['secret'] as string | undefined;
  if (values['tls'] === true && secret !== undefined)
    throw new CliError('Use either --tls or --secret, not both.', EXIT.usage);
  if (secret !== undefined) new PeerSecurity(readSecrets(secret));
  const flags = {
    nodes: undefined,
    port: wholeNumber('port', values['port'], 1, 65_535),
    peerPort: wholeNumber('peer-port', values['peer-port'], 1, 65_535),
    storage: oneOf('storage', (values['storage'] as string | undefined)?.split(','), durableStores),
    transport: oneOf('transport', [values['transport'] ?? []].flat() as string[], TRANSPORTS)?.[0],
    tls: values['tls'] as true | undefined,
    secret: secret === undefined ? undefined : (true as const),
  };
  const file = resolve(values['from'] as string);
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const saved = await check(file);
  // Check the flags and the folder before creating any file.
  clusterToRestore(data, saved.id, flags);
  const lock = await lockData(data);
  try {
    await restore(file, data, await prepareRestore(data, saved.id, flags));
  } finally {
    await lock.release();
  }
  const { cluster, last, state } = saved;
  process.stdout.write(
    `n1 begins a new cluster with the state of cluster ${cluster} at entry ${last.index}, ${state} bytes. Start it, then add nodes:

  ${COMMAND} node --id n1 --data ${shellWord(data)}
  ${COMMAND} node --join --data ${shellWord(data)}
`,
  );
  return 0;
}

/** Checks every byte of a snapshot file, so that a damaged file has no effect. */
async function check(file: string): Promise<SnapshotSummary> {
  try {
    return await checkSnapshot(read(file));
  } catch (error) {
    const text = isKontikiError(error)
      ? `${file}: ${error.message} [${error.code}]`
      : `Cannot read ${file}: ${(error as Error).message}.`;
    throw new CliError(`${text} Nothing was changed.`, EXIT.failed, { cause: error });
  }
}

const read = (file: string): AsyncIterable<Uint8Array> => createReadStream(file, { highWaterMark: MAX_SNAPSHOT_HEAD });

async function restore(file: string, data: string, cluster: ClusterFile): Promise<void> {
  const [node] = cluster.nodes as readonly [DemoNode];
  const { id, storage } = node;
  const { log, snapshots, release } = await storesAt(storagePath(data, id, storage), storage, {
    logger: silentLogger,
    isNew: true,
  });
  try {
    await restoreServer(log, snapshots, read(file), {
      cluster: cluster.cluster,
      server: id,
      address: peerUrl(node, cluster.transport),
      metadata: clientUrl(node, cluster),
    });
  } catch (error) {
    // An interrupted call has already written the log. No node has run since that call.
    if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
  } finally {
    await release();
  }
  const { restoring: _, ...restored } = cluster;
  writeClusterFile(data, { ...restored, bootstrapped: true });
}
