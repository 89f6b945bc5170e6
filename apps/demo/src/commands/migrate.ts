import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { isKontikiError, moveServer, type MoveProgress } from '@kontiki/core';
import { openFolder } from '@kontiki/files/node';
import { CliError, EXIT, oneOf, parse } from '../cli.js';
import { Ticker } from '../client/progress.js';
import { readClusterFile, writeClusterFile, type ClusterFile, type DemoNode } from '../cluster/cluster-file.js';
import { storagePath, STORAGES, storesAt, type Storage } from '../cluster/storage.js';
import { plainLogger } from '../logger.js';

const kept = STORAGES.filter((storage) => storage !== 'memory');

const help = `Moves the data of a node that does not run from one store to another: log, vote and snapshots are copied, the copy
is compared byte by byte, and the old log refuses every later start.

  kontiki-demo migrate --from fs:kontiki-data/n1/fs --to level:kontiki-data/n1/level

  --from STORE:DIR  where its data is
  --to STORE:DIR    where it is to be: DATA/NODE/STORE, where nothing is yet
  --help            this text

STORE: ${kept.join(', ')}. Stop the node, move it, start it, and go on with the next one: so the cluster stays up. What is
interrupted can be begun again. Exit codes: 0 done, 1 failed, 2 bad flags.
`;

export async function migrateCommand(args: string[]): Promise<number> {
  const { values } = parse('migrate', args, { from: { type: 'string' }, to: { type: 'string' } });
  if (values['help'] === true) {
    process.stdout.write(help);
    return 0;
  }
  const move = moveOf(placeOf('from', values['from']), placeOf('to', values['to']));
  const { data, node, to } = move;
  // Another call would take this one's copy for what an interrupted one has left.
  const lock = await (await openFolder(dirname(to.path))).lock('migrate');
  try {
    await carryOut(move);
  } finally {
    await lock.release();
  }
  process.stdout.write(
    `${node.id} has its data in ${to.path} now. Start it: kontiki-demo node --id ${node.id} --data ${data}\n`,
  );
  return 0;
}

/** A store of a node: DATA/NODE/STORE. */
interface Place {
  readonly storage: Storage;
  readonly path: string;
}

interface Move {
  readonly data: string;
  readonly cluster: string;
  readonly node: DemoNode;
  readonly from: Place;
  readonly to: Place;
}

function placeOf(flag: string, value: unknown): Place {
  const [, storage, path] = (typeof value === 'string' && /^([^:]*):(.+)$/.exec(value)) || [];
  if (path === undefined) {
    const what =
      value === undefined ? `--${flag} is missing` : `--${flag} takes STORE:DIR, not ${JSON.stringify(value)}`;
    throw new CliError(`${what}. See: kontiki-demo migrate --help`, EXIT.usage);
  }
  oneOf(flag, [storage as string], kept);
  return { storage: storage as Storage, path: resolve(path) };
}

function moveOf(from: Place, to: Place): Move {
  const id = basename(dirname(from.path));
  const data = dirname(dirname(from.path));
  const cluster = readClusterFile(data);
  const node = cluster?.nodes.find((one) => one.id === id);
  if (cluster === undefined || node === undefined || from.path !== storagePath(data, id, from.storage)) {
    const wanted = storagePath('DATA', 'NODE', from.storage);
    throw new CliError(
      `--from ${from.path} is no node's store: it would be ${wanted}, beside DATA/cluster.json.`,
      EXIT.usage,
    );
  }
  const target = storagePath(data, id, to.storage);
  if (to.path !== target)
    throw new CliError(`--to must be ${to.storage}:${target}, where ${id} will look for it.`, EXIT.usage);
  if (to.path === from.path) throw new CliError('--from and --to are the same.', EXIT.usage);
  // Opening a store that is not there would make an empty one.
  if (!existsSync(from.path) || (node.storage !== from.storage && !existsSync(to.path))) {
    const held = `${node.storage}:${storagePath(data, id, node.storage)}`;
    throw new CliError(`--from ${from.path} is not the data of ${id}: that is in ${held}, or lost.`, EXIT.usage);
  }
  return { data, cluster: cluster.cluster, node, from, to };
}

/**
 * The copy is made beside its place and gets there when the old log is retired: so at no moment both can be started.
 * Whatever interrupts it, the next call finds out from the old log how far it has come.
 */
async function carryOut(move: Move): Promise<void> {
  const { node, to } = move;
  const copy = `${to.path}.copy`;
  if (existsSync(to.path)) {
    if (await isRetired(move)) return register(move);
    if (node.storage === to.storage) throw new CliError(`${node.id} has its data in ${to.path} already: start it.`);
    throw new CliError(`${to.path} is there already, and ${node.id} does not run on it. Move it away.`);
  }
  if (!(existsSync(copy) && (await isRetired(move)))) {
    // Left by a call that was interrupted before the old log was retired: nobody has ever started it.
    await rm(copy, { recursive: true, force: true });
    try {
      await moveTo(copy, move);
    } catch (error) {
      // Half a copy may be what fills the disk on which the old log goes on.
      const retired = await isRetired(move).catch(() => undefined);
      if (retired === false) await rm(copy, { recursive: true, force: true });
      throw error;
    }
  }
  await rename(copy, to.path);
  await (await openFolder(dirname(to.path))).sync();
  register(move);
}

async function moveTo(copy: string, move: Move): Promise<void> {
  const { cluster, node, from, to } = move;
  const logger = plainLogger(process.stderr);
  const ticker = new Ticker();
  const source = await storesAt(from.path, from.storage, logger);
  const target = await storesAt(copy, to.storage, logger);
  try {
    await moveServer({
      cluster,
      server: node.id,
      from: source,
      to: target,
      where: whereTo(move),
      onProgress: (progress) => ticker.tell(() => lineOf(progress)),
    });
  } finally {
    await source.release();
    await target.release();
  }
}

/** What the old log says of where its server has gone. */
function whereTo({ to: { storage, path } }: Move): string {
  return `${storage}:${path}`;
}

/** Whether the old log says that its server has moved there. */
async function isRetired(move: Move): Promise<boolean> {
  const { cluster, node, from } = move;
  const { log, release } = await storesAt(from.path, from.storage, plainLogger(process.stderr));
  try {
    await log.open({ cluster, server: node.id });
    return false;
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_MOVED') && error.message.includes(whereTo(move))) return true;
    throw error;
  } finally {
    await log.close();
    await release();
  }
}

/** From now on the node is started on its new store. Another one may have been moved meanwhile. */
function register({ data, node: { id }, to: { storage } }: Move): void {
  const cluster = readClusterFile(data) as ClusterFile;
  const nodes = cluster.nodes.map((node) => (node.id === id ? { ...node, storage } : node));
  writeClusterFile(data, { ...cluster, nodes });
}

function lineOf({ step, done, total }: MoveProgress): string {
  const MiB = 1024 * 1024;
  const show = (value: number): string => (step.endsWith('entries') ? `${value}` : `${(value / MiB).toFixed(0)} MiB`);
  return `${step}: ${show(done)} of ${show(total)} (${Math.floor((100 * done) / total)} %)`;
}
