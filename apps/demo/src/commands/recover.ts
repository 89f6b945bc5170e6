import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  inspectServer,
  isKontikiError,
  isVoter,
  recoverServer,
  silentLogger,
  type Membership,
  type ServerContents,
} from '@kontiki/core';
import { COMMAND, CliError, EXIT, parse, shellWord } from '../cli.js';
import { readClusterFile, updateClusterFile, type ClusterFile, type DemoNode } from '../cluster/cluster-file.js';
import { lockData } from '../cluster/lock-data.js';
import { storagePath, storesAt } from '../cluster/storage.js';
import { describeFailure } from '../describe-failure.js';

const help = `Recovers a cluster that has lost the majority of its voters for good.

  ${COMMAND} recover            print what the stopped nodes hold, and which one would be kept
  ${COMMAND} recover --yes      make that node the only member of the cluster

  --data DIR        folder of the cluster (default kontiki-data)
  --folder DIR      or the folder of one node, DATA/NODE/STORE; repeat it for each survivor
  --yes             recover; without it, nothing is changed
  --force           recover although a majority is left, or no voter
  --help            print this text

Stop all nodes first. The node with the newest log is kept, with every entry in it. Writes that only
lost nodes had are lost. The other nodes cannot talk to the recovered one: delete their data, also
on machines that come back later, and add new nodes with: ${COMMAND} node --join

Exit codes: 0 success, 1 failure, nothing was changed, 2 invalid command line.
`;

export async function recoverCommand(args: string[]): Promise<number> {
  const { values } = parse('recover', args, {
    data: { type: 'string' },
    folder: { type: 'string', multiple: true },
    yes: { type: 'boolean' },
    force: { type: 'boolean' },
  });
  if (values['help'] === true) return print(help);
  const folders = values['folder'] as string[] | undefined;
  if (folders !== undefined && values['data'] !== undefined)
    throw new CliError('Use either --data or --folder, not both.', EXIT.usage);
  const found =
    folders === undefined
      ? nodesIn(resolve((values['data'] as string | undefined) ?? 'kontiki-data'))
      : folders.map((folder) => nodeAt(resolve(folder)));
  const clusters = new Set(found.map(({ file }) => file.cluster));
  if (clusters.size > 1)
    throw new CliError(`These folders belong to different clusters: ${[...clusters].join(', ')}.`, EXIT.usage);
  const survivors: Survivor[] = [];
  for (const place of found) survivors.push({ ...place, ...(await inspect(place)) });
  print(tableOf(survivors));
  const force = values['force'] === true;
  const kept = choose(survivors, force);
  print(describeLoss(kept, survivors));
  if (values['yes'] !== true) {
    const same = args.map(shellWord).join(' ');
    return print(
      `Nothing was changed. To recover ${kept.node.id}:\n\n  ${COMMAND} recover ${same}${same && ' '}--yes\n`,
    );
  }
  await recover(kept, survivors, force);
  return 0;
}

/** The data folder of a node and the cluster file in it. */
interface Place {
  readonly data: string;
  readonly file: ClusterFile;
  readonly node: DemoNode;
  readonly path: string;
}

/** A node with the contents of its stores, or with the reason why they cannot be read. */
interface Survivor extends Place {
  readonly contents?: ServerContents;
  readonly problem?: string;
  readonly isRunning?: boolean;
}

function nodesIn(data: string): Place[] {
  const file = readClusterFile(data);
  if (file === undefined)
    throw new CliError(`There is no cluster in ${data}. Name its folder with --data DIR.`, EXIT.usage);
  return file.nodes.map((node) => ({ data, file, node, path: storagePath(data, node.id, node.storage) }));
}

function nodeAt(path: string): Place {
  const data = dirname(dirname(path));
  const file = readClusterFile(data);
  const node = file?.nodes.find(({ id }) => id === basename(dirname(path)));
  if (file === undefined || node === undefined || path !== storagePath(data, node.id, node.storage)) {
    const pattern = join('DATA', 'NODE', 'STORE');
    throw new CliError(
      `--folder ${path} is not the store of a node. It must be ${pattern}, where DATA contains cluster.json.`,
      EXIT.usage,
    );
  }
  return { data, file, node, path };
}

async function inspect({ file, node, path }: Place): Promise<Omit<Survivor, keyof Place>> {
  if (node.leftBehind === true) return { problem: 'left behind by an earlier recovery' };
  if (node.storage === 'memory') return { problem: 'its data was in memory' };
  // Opening a store that does not exist would create an empty one.
  if (!existsSync(path)) return { problem: `there is no folder ${path}` };
  const { log, snapshots, release } = await storesAt(path, node.storage, { logger: silentLogger });
  try {
    const contents = await inspectServer(log, { cluster: file.cluster, server: node.id, snapshots });
    return contents.membership === undefined ? { problem: 'its log is blank' } : { contents };
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_LOCKED')) return { problem: 'it is running', isRunning: true };
    return { problem: describeFailure(error) };
  } finally {
    await release();
  }
}

function tableOf(survivors: readonly Survivor[]): string {
  const rows = survivors.map(({ node, contents, problem = '' }) => {
    if (contents === undefined) return [node.id, problem];
    const { last, committed, membership, snapshot, damaged } = contents;
    return [
      node.id,
      partOf(membership?.membership as Membership, node.id),
      `${last.index} of term ${last.term}`,
      `${committed}`,
      `${snapshot?.last.index ?? 'none'}${damaged.length > 0 ? ' (newer: damaged)' : ''}`,
      membersOf(membership?.membership as Membership),
    ];
  });
  const titles = ['node', 'part', 'last entry', 'committed', 'snapshot', 'members'];
  const full = [titles, ...rows.filter(({ length }) => length > 2)];
  const widths = titles.map((_, i) => Math.max(...full.map((row) => row[i]?.length ?? 0)) + 2);
  return [titles, ...rows]
    .map((row) => `${row.map((cell, i) => cell.padEnd(i === row.length - 1 ? 0 : (widths[i] ?? 0))).join('')}\n`)
    .join('');
}

function partOf(membership: Membership, id: string): string {
  if (isVoter(membership, id)) return 'voter';
  return membership.learners.includes(id) ? 'learner' : 'removed';
}

function membersOf({ servers, epoch }: Membership): string {
  return `${[...servers.keys()].join(', ')}${epoch === '' ? '' : ` (recovered, epoch ${epoch.slice(0, 8)})`}`;
}

/** A node whose log and snapshots can be read. */
type Readable = Survivor & { readonly contents: ServerContents & { readonly membership: { membership: Membership } } };

/**
 * Returns the survivor with the newest log. Throws if there is no survivor, or if enough voters are
 * left for the cluster to work without a recovery.
 */
function choose(survivors: readonly Survivor[], force: boolean): Readable {
  const running = survivors.filter(({ isRunning }) => isRunning).map(({ node }) => node.id);
  if (running.length > 0) throw new CliError(`${running.join(', ')} must be stopped first. Nothing was changed.`);
  const readable = survivors.filter((one): one is Readable => one.contents !== undefined);
  const voters = readable.filter(({ node, contents }) => isVoter(contents.membership.membership, node.id));
  const [kept] = [...(voters.length > 0 || !force ? voters : readable)].sort(
    ({ contents: { last: a } }, { contents: { last: b } }) => b.term - a.term || b.index - a.index,
  );
  if (kept === undefined) {
    const others = readable.map(({ node }) => node.id).join(', ');
    const remedy = others === '' ? `Restore a backup: ${COMMAND} restore --help` : `To keep one of ${others}: --force`;
    throw new CliError(`No voter has survived. Nothing was changed. ${remedy}`);
  }
  if (isUnfinished(kept)) return kept;
  const { voters: all, outgoing, founded, servers } = kept.contents.membership.membership;
  // The membership names the store of each node. If an operator has bootstrapped a node again, its
  // disk contains a different store, which does not count.
  const counts = ({ node, contents }: Readable): boolean =>
    !founded || [undefined, contents.store].includes(servers.get(node.id)?.store);
  const alive = voters.filter(counts).map(({ node }) => node.id);
  const areEnough = (ids: readonly string[]): boolean => {
    const count = ids.filter((id) => alive.includes(id)).length;
    return founded ? count > Math.floor(ids.length / 2) : count === ids.length;
  };
  if (!force && areEnough(all) && (outgoing.length === 0 || areEnough(outgoing))) {
    throw new CliError(
      `${alive.join(', ')} can still decide together, so nothing is lost. Start them instead of a recovery: ${COMMAND} node --id ${kept.node.id} --data ${shellWord(kept.data)}. Nothing was changed.`,
    );
  }
  return kept;
}

/** Returns whether a recovery was interrupted before it recorded which nodes were left behind. */
function isUnfinished({ node, file, contents }: Readable): boolean {
  const { epoch, servers } = contents.membership.membership;
  return epoch !== '' && servers.size === 1 && file.nodes.some((one) => isLeft(one, node));
}

/**
 * Returns whether a recovery of `kept` leaves a node behind. A node that is still joining is not
 * left behind, because the node is new.
 */
function isLeft({ id, joining, leftBehind }: DemoNode, kept: DemoNode): boolean {
  return id !== kept.id && joining !== true && leftBehind !== true;
}

function describeLoss({ node: { id }, contents }: Readable, survivors: readonly Survivor[]): string {
  const { last, membership } = contents;
  const gone = [...membership.membership.servers.keys()].filter(
    (other) => !survivors.some(({ node, contents: held }) => node.id === other && held !== undefined),
  );
  const missing = gone.length === 0 ? 'no node' : gone.join(', ');
  return `
${id} has the newest log. It keeps all entries up to ${last.index}, committed or not.
Not looked at, because their data is missing: ${missing}.
Writes that were acknowledged after entry ${last.index} are lost. If you may still find the disk of
another node, find it first: its log may be newer.

`;
}

async function recover(kept: Readable, survivors: readonly Survivor[], force: boolean): Promise<void> {
  const { data, node } = kept;
  const lock = await lockData(data);
  try {
    if (!isUnfinished(kept)) await write(kept, force);
    await updateClusterFile(data, (file) => ({
      ...file,
      nodes: file.nodes.map(({ removed, ...one }) => {
        if (one.id === node.id) return one;
        return { ...one, ...(removed === true ? { removed } : {}), ...(isLeft(one, node) ? { leftBehind: true } : {}) };
      }),
    }));
  } finally {
    await lock.release();
  }
  const folders = survivors.filter((one) => one !== kept).map(({ path: other }) => dirname(other));
  const left = folders.filter((folder) => existsSync(folder)).map(shellWord);
  const empty =
    left.length === 0
      ? ''
      : `Delete the data of the others, or keep it apart for an investigation:\n\n  rm -r ${left.join(' ')}\n\n`;
  const flags = `--data ${shellWord(data)}`;
  print(
    `${empty}Start ${node.id}, then add new nodes:\n\n  ${COMMAND} node --id ${node.id} ${flags}\n  ${COMMAND} node --join ${flags}\n`,
  );
}

async function write({ file, node, path }: Readable, force: boolean): Promise<void> {
  const { log, snapshots, release } = await storesAt(path, node.storage, { logger: silentLogger });
  try {
    const { index, epoch } = await recoverServer(log, { cluster: file.cluster, server: node.id, snapshots, force });
    print(`${node.id} is the only member of the cluster from entry ${index} on, with epoch ${epoch}.\n\n`);
  } finally {
    await release();
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
