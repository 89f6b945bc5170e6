import { setTimeout as delay } from 'node:timers/promises';
import { ClientError, ClusterClient } from '@kontiki/client';
import { COMMAND, CliError, parse, wholeNumber } from '../cli.js';
import { nodesFlags, nodesHelp, nodesOf } from './nodes.js';

const help = `Sets keys as fast as the cluster accepts them, and prints the rate and the latency.

  ${COMMAND} load [flags]

  --clients N       number of parallel clients, 1 to 4096; each waits for its PUT (default 64)
  --seconds N       duration, 1 to 86400 (default 10)
  --bytes N         size of a value, 0 to 65536 (default 256)
${nodesHelp}  --help            print this text

Client C overwrites the keys load-C-0 to load-C-999 in turn. The clients use all nodes. A PUT that is
not answered is sent again, and is applied once.
`;

const flags = {
  clients: { type: 'string' },
  seconds: { type: 'string' },
  bytes: { type: 'string' },
  ...nodesFlags,
} as const;

type Outcome = 'done' | 'refused' | 'unknown';

/** Counts and latencies of the PUT requests during a period. */
class Tally {
  readonly counts = { done: 0, refused: 0, unknown: 0 };
  readonly #latencies: number[] = [];
  readonly #start = performance.now();

  add(kind: Outcome, latency: number): void {
    this.counts[kind] += 1;
    if (kind === 'done') this.#latencies.push(latency);
  }

  toString(): string {
    const seconds = (performance.now() - this.#start) / 1_000;
    const ascending = this.#latencies.sort((a, b) => a - b);
    const quantile = (q: number): string => (ascending[Math.floor(q * (ascending.length - 1))] ?? 0).toFixed(2);
    const { done, refused, unknown } = this.counts;
    const rate = Math.round(done / seconds).toLocaleString('en');
    return `${rate} PUT/s  p50 ${quantile(0.5)} ms  p99 ${quantile(0.99)} ms  refused ${refused}  unknown ${unknown}`;
  }
}

export async function loadCommand(args: string[]): Promise<number> {
  const parsed = parse('load', args, flags);
  if (parsed.values['help'] === true) {
    process.stdout.write(help);
    return 0;
  }
  const clients = wholeNumber('clients', parsed.values['clients'], 1, 4_096) ?? 64;
  const seconds = wholeNumber('seconds', parsed.values['seconds'], 1, 86_400) ?? 10;
  const bytes = wholeNumber('bytes', parsed.values['bytes'], 0, 65_536) ?? 256;
  const { urls, ...nodes } = nodesOf(parsed);
  // Each cluster client begins with another node.
  const clusters = urls.map(
    (_, i) => new ClusterClient({ ...nodes, urls: [...urls.slice(i), ...urls.slice(0, i)], maxCalls: clients }),
  );
  const total = new Tally();
  let second = new Tally();
  let elapsed = 0;
  const progress = setInterval(() => {
    process.stderr.write(`${String((elapsed += 1)).padStart(6)} s  ${second.toString()}\n`);
    second = new Tally();
  }, 1_000);
  const end = performance.now() + seconds * 1_000;
  const value = 'x'.repeat(bytes);
  const client = async (_: unknown, number: number): Promise<void> => {
    const cluster = clusters[number % clusters.length] as ClusterClient;
    for (let n = 0; performance.now() < end; n += 1) {
      const start = performance.now();
      const outcome = await put(cluster, `load-${number}-${n % 1_000}`, value);
      const latency = performance.now() - start;
      total.add(outcome, latency);
      second.add(outcome, latency);
      if (outcome !== 'done') await delay(20);
    }
  };
  try {
    await Promise.all(Array.from({ length: clients }, client));
  } finally {
    clearInterval(progress);
    for (const cluster of clusters) cluster.close();
  }
  process.stdout.write(`${clients} clients, ${bytes} B: ${total.toString()}\n`);
  if (total.counts.done === 0)
    throw new CliError('No PUT succeeded. Check that the cluster is running and has a leader.');
  return 0;
}

async function put(cluster: ClusterClient, key: string, value: string): Promise<Outcome> {
  try {
    const { status } = await cluster.write({ method: 'PUT', path: `/kv/${key}`, body: value });
    return status === 204 ? 'done' : 'refused';
  } catch (error) {
    if (!(error instanceof ClientError) || error.code === 'KONTIKI_UNTRUSTED') throw error;
    return error.code === 'KONTIKI_UNKNOWN_OUTCOME' ? 'unknown' : 'refused';
  }
}
