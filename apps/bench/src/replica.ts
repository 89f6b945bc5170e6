import { bootstrap, isKontikiError, RaftNode } from '@kontiki/core';
import { openFolder } from '@kontiki/files/node';
import { FileLog } from '@kontiki/storage-fs';
import { WebSocketTransport } from '@kontiki/transport-ws';
import { countLog, countSyncs, countTransport, nothing, type Counted } from './counting.js';
import { load, type LoadResult } from './load.js';
import { adder } from './machine.js';

/** What the bench asks of a replica, a process of its own. */
export type Request =
  | { readonly kind: 'start'; readonly id: string; readonly folder: string; readonly members: Record<string, string> }
  | { readonly kind: 'load'; readonly proposers: number; readonly milliseconds: number }
  | { readonly kind: 'counts' };

export type Reply =
  | { readonly kind: 'leads' }
  | ({ readonly kind: 'loaded' } & LoadResult)
  | { readonly kind: 'counts'; readonly counted: Counted };

const cluster = 'bench';
const counted = nothing();
let node: RaftNode<number> | undefined;

function reply(message: Reply): void {
  process.send?.(message);
}

async function start(id: string, path: string, members: Record<string, string>): Promise<void> {
  const log = new FileLog(countSyncs(await openFolder(path), counted));
  await bootstrap(log, { cluster, server: id, members }).catch((error: unknown) => {
    if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
  });
  const port = Number(new URL(members[id] as string).port);
  node = await RaftNode.open({
    id,
    cluster,
    machine: adder(),
    log: countLog(log, counted),
    transport: countTransport(new WebSocketTransport({ listen: { port } }), counted),
    timings: { heartbeat: 50, election: 300 },
  });
  const { isLeader } = node;
  if (isLeader) reply({ kind: 'leads' });
  node.on('state', ({ role }) => role === 'leader' && reply({ kind: 'leads' }));
}

async function serve(request: Request): Promise<void> {
  if (request.kind === 'start') return start(request.id, request.folder, request.members);
  if (request.kind === 'counts') return reply({ kind: 'counts', counted });
  if (node === undefined) throw new Error('This replica has not started.');
  reply({ kind: 'loaded', ...(await load(node, request.proposers, request.milliseconds)) });
}

process.on('message', (request: Request) => void serve(request));
process.on('disconnect', () => process.exit());
