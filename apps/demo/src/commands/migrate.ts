import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { isKontikiError, moveServer, type MoveProgress } from '@kontiki/core';
import { openFolder } from '@kontiki/files/node';
import { COMMAND, CliError, EXIT, oneOf, parse, shellWord } from '../cli.js';
import { ProgressPrinter } from '../client/progress.js';
import { readClusterFile, updateClusterFile, type DemoNode } from '../cluster/cluster-file.js';
import { STORAGES, type Storage } from '../cluster/kinds.js';
import { storagePath, storesAt } from '../cluster/storage.js';
import { plainLogger } from '../logger.js';

const durableStores = STORAGES.filter((storage) => storage !== 'memory');

const help = `Moves the data of a stopped node from one store to another.

  ${COMMAND} migrate --from fs:kontiki-data/n1/fs --to level:kontiki-data/n1/level

  --from STORE:DIR  the store that has the data now
  --to STORE:DIR    the new store; DIR must be DATA/NODE/STORE and must not exist yet
  --help            print this text

STORE is ${durableStores.join(' or ')}.

Copies the log, the vote and the snapshots, and compares the copy with the original byte by byte.
Then it marks the old log as moved, so that no node can start on it again. If the command is
interrupted, run it again. To keep the cluster available, move one node at a time: stop it, move it,
start it, and wait until it has caught up.

Exit codes: 0 success, 1 failure, 2 invalid command line.
`;

export async function migrateCommand(args: string[]): Promise<number> {
  const { values } = parse('migrate', args, { from: { type: 'string' }, to: { type: 'string' } });
  if (values['help'] === true) {
    process.stdout.write(help);
    return 0;
  }
  const move = checkMove(parseLocation('from', values['from']), parseLocation('to', values['to']));
  const { data, node, to } = move;
  // Prevent other runs of this command at the same time. They would mistake the unfinished copy for
  // that of an interrupted run, and delete it.
  const lock = await (await openFolder(dirname(to.path))).lock('migrate');
  try {
    await runMove(move);
  } finally {
    await lock.release();
  }
  process.stdout.write(
    `${node.id} now has its data in ${to.path}. Start the node:\n\n  ${COMMAND} node --id ${node.id} --data ${shellWord(data)}\n`,
  );
  return 0;
}

/** Location of a node's store. */
interface StoreLocation {
  readonly storage: Storage;
  /** Path of the store, in the form DATA/NODE/STORE. */
  readonly path: string;
}

interface Move {
  readonly data: string;
  readonly cluster: string;
  readonly node: DemoNode;
  readonly from: StoreLocation;
  readonly to: StoreLocation;
}

function parseLocation(flag: string, value: unknown): StoreLocation {
  const [, storage, path] = (typeof value === 'string' && /^([^:]*):(.+)$/.exec(value)) || [];
  if (path === undefined) {
    const problem =
      value === undefined ? `--${flag} is missing` : `--${flag} must be STORE:DIR, not ${JSON.stringify(value)}`;
    throw new CliError(`${problem}. See: ${COMMAND} migrate --help`, EXIT.usage);
  }
  oneOf(flag, [storage as string], durableStores);
  return { storage: storage as Storage, path: resolve(path) };
}

/** Checks the flags against the cluster file and the folders. Does not open the stores. */
function checkMove(from: StoreLocation, to: StoreLocation): Move {
  const id = basename(dirname(from.path));
  const data = dirname(dirname(from.path));
  const cluster = readClusterFile(data);
  const node = cluster?.nodes.find((candidate) => candidate.id === id);
  if (cluster === undefined || node === undefined || from.path !== storagePath(data, id, from.storage)) {
    const pattern = storagePath('DATA', 'NODE', from.storage);
    throw new CliError(
      `--from ${from.path} is not the store of a node. It must be ${pattern}, where DATA contains cluster.json.`,
      EXIT.usage,
    );
  }
  const target = storagePath(data, id, to.storage);
  if (to.path !== target)
    throw new CliError(`--to must be ${to.storage}:${target}, where ${id} looks for its data.`, EXIT.usage);
  if (to.path === from.path) throw new CliError('--from and --to are the same store.', EXIT.usage);
  // Opening a store that does not exist would create an empty one.
  if (!existsSync(from.path) || (node.storage !== from.storage && !existsSync(to.path))) {
    const current = `${node.storage}:${storagePath(data, id, node.storage)}`;
    throw new CliError(
      `--from ${from.path} is not the current store of ${id}. Use --from ${current}; if that is missing, the data is lost.`,
      EXIT.usage,
    );
  }
  return { data, cluster: cluster.cluster, node, from, to };
}

/**
 * Moves the data in three steps: copies it to a temporary folder, retires the old log, and renames
 * the copy to its final folder. A node can therefore never start on both stores. After an
 * interruption, the old log and the folders show which steps are complete.
 */
async function runMove(move: Move): Promise<void> {
  const { node, to } = move;
  const copy = `${to.path}.copy`;
  if (existsSync(to.path)) {
    if (await isRetired(move)) return recordNewStore(move);
    if (node.storage === to.storage)
      throw new CliError(`${node.id} already has its data in ${to.path}. Start the node.`);
    throw new CliError(
      `${to.path} already exists, but it is not the current store of ${node.id}. Rename that folder and try again.`,
    );
  }
  if (!(existsSync(copy) && (await isRetired(move)))) {
    // An earlier run may have been interrupted after it made a copy and before it retired the old log.
    // Remove that copy: no node has ever started on it.
    await rm(copy, { recursive: true, force: true });
    try {
      await moveTo(copy, move);
    } catch (error) {
      // Remove the unfinished copy, because it may have filled the disk of the old log.
      const retired = await isRetired(move).catch(() => undefined);
      if (retired === false) await rm(copy, { recursive: true, force: true });
      throw error;
    }
  }
  await rename(copy, to.path);
  await (await openFolder(dirname(to.path))).sync();
  await recordNewStore(move);
}

async function moveTo(copy: string, move: Move): Promise<void> {
  const { cluster, node, from, to } = move;
  const logger = plainLogger(process.stderr);
  const printer = new ProgressPrinter();
  const source = await storesAt(from.path, from.storage, { logger });
  const target = await storesAt(copy, to.storage, { logger });
  try {
    await moveServer({
      cluster,
      server: node.id,
      from: source,
      to: target,
      where: newLocation(move),
      onProgress: (progress) => printer.print(() => progressLine(progress)),
    });
  } finally {
    await source.release();
    await target.release();
  }
}

/** Returns the new location, in the form that the old log stores and reports in its error. */
function newLocation({ to: { storage, path } }: Move): string {
  return `${storage}:${path}`;
}

/** Returns whether the old log is retired in favor of the new location. */
async function isRetired(move: Move): Promise<boolean> {
  const { cluster, node, from } = move;
  const { log, release } = await storesAt(from.path, from.storage, { logger: plainLogger(process.stderr) });
  try {
    await log.open({ cluster, server: node.id });
    return false;
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_MOVED') && error.message.includes(newLocation(move))) return true;
    throw error;
  } finally {
    await log.close();
    await release();
  }
}

/** Records the new store in the cluster file, so that the node starts on it. */
async function recordNewStore({ data, node: { id }, to: { storage } }: Move): Promise<void> {
  await updateClusterFile(data, (cluster) => ({
    ...cluster,
    nodes: cluster.nodes.map((node) => (node.id === id ? { ...node, storage } : node)),
  }));
}

function progressLine({ step, done, total }: MoveProgress): string {
  const MiB = 1024 * 1024;
  const show = (value: number): string => (step.endsWith('entries') ? `${value}` : `${(value / MiB).toFixed(0)} MiB`);
  return `${step}: ${show(done)} of ${show(total)} (${Math.floor((100 * done) / total)} %)`;
}
