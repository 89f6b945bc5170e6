// A service of feature flags on three servers. Every server takes writes and linearizable reads.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { bootstrap, defineStateMachine, isKontikiError, TypedNode } from '@kontiki/core';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { HttpTransport } from '@kontiki/transport-http';
import express, { type NextFunction, type Request, type Response } from 'express';

const machine = defineStateMachine({
  initial: () => ({ flags: new Map<string, boolean>() }),
  commands: { set: ({ flags }, { name, on }: { name: string; on: boolean }) => void flags.set(name, on) },
  queries: { all: ({ flags }) => Object.fromEntries(flags) },
});

const [server = 'a', ...flags] = process.argv.slice(2);
const port = Number(process.env['PORT'] ?? 7110);
const ports: Record<string, number> = { a: port, b: port + 1, c: port + 2 };
const entries = Object.entries(ports).map(([id, own]) => [id, `http://127.0.0.1:${own}/raft`] as const);
const [cluster, members] = ['flags-d41d8cd98f00', Object.fromEntries(entries)];

const log = new FileLog(`flags-data/${server}/log`);
const snapshots = new FileSnapshots(`flags-data/${server}/snapshots`);
if (flags.includes('--bootstrap')) await bootstrap(log, { cluster, server, members, snapshots });
const transport = new HttpTransport();

const app = express();
app.use('/raft', transport.handler);
app.use(express.json());
app.get('/flags', async (_, response) => {
  response.json((await node.query('all')).result);
});
app.put('/flags/:name', async (request: Request<{ name: string }, unknown, { on: boolean }>, response) => {
  await node.execute('set', { name: request.params.name, on: request.body.on === true });
  response.sendStatus(204);
});
app.use((error: unknown, _: Request, response: Response, __: NextFunction) => {
  response.status(isKontikiError(error) ? 503 : 500).json({ error: String(error) });
});

const node = await TypedNode.open({ id: server, cluster, machine, log, snapshots, transport });
const http = createServer(app).listen(ports[server], '127.0.0.1');
await once(http, 'listening');
await node.raft.ready();
console.log(`${server} serves http://127.0.0.1:${ports[server]}/flags`);

await once(process, 'SIGTERM');
// The node hears from its peers through the server, so it must close first.
await node.close();
http.close();
