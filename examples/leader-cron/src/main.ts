// A job that runs once a second on one of three servers. Another server continues when it dies.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootstrap, isKontikiError, RaftNode } from '@kontiki/core';
import { FileLog } from '@kontiki/storage-fs';
import { WebSocketTransport } from '@kontiki/transport-ws';

const [server = 'a', ...flags] = process.argv.slice(2);
const port = Number(process.env['PORT'] ?? 7120);
const ports: Record<string, number> = { a: port, b: port + 1, c: port + 2 };
const members = Object.fromEntries(Object.entries(ports).map(([id, own]) => [id, `ws://127.0.0.1:${own}`]));
const cluster = 'cron-0cc175b9c0f1';

const log = new FileLog(`cron-data/${server}`);
if (flags.includes('--bootstrap')) await bootstrap(log, { cluster, server, members });
const transport = new WebSocketTransport({ listen: { port: ports[server] as number } });
const node = await RaftNode.open({ id: server, cluster, log, transport, machine: { apply: () => [] } });

/** Stands for another system, such as a mail server. Refuses a token below the newest one. */
function report(token: number, text: string): boolean {
  const lines = existsSync('report.txt') ? readFileSync('report.txt', 'utf8').trim().split('\n') : [];
  const newest = Number(lines.at(-1)?.split(' ')[0] ?? 0);
  if (token >= newest) appendFileSync('report.txt', `${token} ${text}\n`);
  return token >= newest;
}

process.once('SIGTERM', () => void node.close());
const job = node.whileLeader(async (signal, token) => {
  // If the report is refused, another server leads already, and the signal will be aborted soon.
  for (let run = 1; !signal.aborted; run += 1) {
    if (!report(token, `${server} ran the job, run ${run}`)) console.log(`token ${token} of ${server} is too old`);
    await sleep(1_000, undefined, { signal }).catch(() => {});
  }
});
await job.catch((error: unknown) => isKontikiError(error, 'KONTIKI_CLOSED') || Promise.reject(error));
