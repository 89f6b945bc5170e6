import { bootstrap, isKontikiError, RaftNode } from '@kontiki/core';
import type { SecurityOptions } from '@kontiki/peers';
import { FileLog } from '@kontiki/storage-fs';
import { HttpTransport } from '@kontiki/transport-http';
import { WebSocketTransport } from '@kontiki/transport-ws';

/** Settings of one node. The environment variable `SETTINGS` contains them as JSON. */
export interface Settings {
  readonly id: string;
  readonly folder: string;
  readonly members: Readonly<Record<string, string>>;
  readonly kind: 'ws' | 'http';
  readonly security: SecurityOptions;
}

/** A report that a node sends to its parent process four times per second. */
export interface Report {
  readonly committed: number;
  /** CPU time in seconds that the node has used so far. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly refusals: Readonly<Record<string, number>>;
  /** Number of lines that the node has logged so far. */
  readonly lines: number;
  /** The code of the first TLS handshake that the node refused. */
  readonly firstTlsCode: string | undefined;
}

// A program that runs one node and, while the node leads, proposes commands.
const { id, folder, members, kind, security } = JSON.parse(process.env['SETTINGS'] as string) as Settings;
const cluster = 'c-1';
const log = new FileLog(folder);
await bootstrap(log, { cluster, server: id, members }).catch((error: unknown) => {
  if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
});
/**
 * Maximum number of connections. It is below the default, so that the attackers reach the limit
 * even on a slow machine.
 */
const CONNECTIONS = 32;
let lines = 0;
let firstTlsCode: string | undefined;
const line = (text: string): void => {
  lines += 1;
  firstTlsCode ??= /TLS handshake failed \((\w+)\)/.exec(text)?.[1];
  // A client must not be able to break a line of the log, or to control the terminal that displays
  // the log.
  if (/[^ -~\u00a0-\u2027\u202a-\uffff]/.test(text))
    throw new Error(`A log line has control characters: ${JSON.stringify(text)}`);
};
const logger = { debug: () => {}, info: line, warn: line, error: line };
const options = {
  listen: { port: Number(new URL(members[id] as string).port) },
  logger,
  limits: { connections: CONNECTIONS },
  ...security,
};
const transport = kind === 'ws' ? new WebSocketTransport(options) : new HttpTransport(options);
const node = await RaftNode.open({
  id,
  cluster,
  log,
  machine: { apply: ({ entries }) => entries.map(() => undefined) },
  transport,
  logger,
});
node.on('fatal', ({ error }) => {
  throw error;
});
setInterval(() => {
  const { committed, refusals } = node.status();
  const { user, system } = process.cpuUsage();
  const report: Report = {
    committed,
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    refusals,
    lines,
    firstTlsCode,
  };
  process.send?.(report);
}, 250);

async function propose(): Promise<never> {
  for (;;) {
    await node.waitForLeader().catch(() => {});
    if (!node.isLeader) await new Promise((resolve) => setTimeout(resolve, 50));
    else await node.propose(new Uint8Array(256)).catch(() => {});
  }
}
await Promise.all(Array.from({ length: 16 }, propose));
