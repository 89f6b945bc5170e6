import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { CliError, parse, wholeNumber } from '../cli.js';
import { put, type PutOutcome } from '../client/ask.js';
import { urlsOf } from './client.js';

const help = `Sets keys as fast as the cluster takes them, and says how fast that is.

  kontiki-demo load [--clients 64] [--seconds 10] [--bytes 256]

  --clients N       each waits for one PUT before it sends the next (1 to 4096, default 64)
  --seconds N       1 to 86400, default 10
  --bytes N         of a value, 0 to 65536, default 256
  --url URL         a node, any of them; may be given more than once (default: those of --data)
  --data DIR        the cluster's folder (default kontiki-data)
  --help            this text

Writes the keys load-0-0, load-0-1, ... over and over: a thousand of each client.
`;

const flags = {
  clients: { type: 'string' },
  seconds: { type: 'string' },
  bytes: { type: 'string' },
  url: { type: 'string', multiple: true },
  data: { type: 'string' },
} as const;

/** What happened in some span of time. */
class Tally {
  readonly counts = { done: 0, refused: 0, unknown: 0 };
  readonly #latencies: number[] = [];
  readonly #begin = performance.now();

  add({ kind }: PutOutcome, latency: number): void {
    this.counts[kind] += 1;
    if (kind === 'done') this.#latencies.push(latency);
  }

  toString(): string {
    const seconds = (performance.now() - this.#begin) / 1_000;
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
  const urls = urlsOf(parsed);
  const agent = new Agent({ keepAlive: true });
  const total = new Tally();
  let second = new Tally();
  let shown = 0;
  const progress = setInterval(() => {
    process.stderr.write(`${String((shown += 1)).padStart(6)} s  ${second.toString()}\n`);
    second = new Tally();
  }, 1_000);
  const end = performance.now() + seconds * 1_000;
  const value = 'x'.repeat(bytes);
  const client = async (_: unknown, number: number): Promise<void> => {
    let attempt = number;
    let url = urls[attempt % urls.length] as string;
    for (let n = 0; performance.now() < end; n += 1) {
      const begin = performance.now();
      const outcome = await put(url, `load-${number}-${n % 1_000}`, value, agent);
      const latency = performance.now() - begin;
      total.add(outcome, latency);
      second.add(outcome, latency);
      if (outcome.leader === undefined) await delay(20);
      url = outcome.leader ?? (urls[(attempt += 1) % urls.length] as string);
    }
  };
  try {
    await Promise.all(Array.from({ length: clients }, client));
  } finally {
    clearInterval(progress);
    agent.destroy();
  }
  process.stdout.write(`${clients} clients, ${bytes} B: ${total.toString()}\n`);
  if (total.counts.done === 0) throw new CliError('No PUT was done: is the cluster running, and has it a leader?');
  return 0;
}
