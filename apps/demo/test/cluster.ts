import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ClusterClient, HttpClient } from '@kontiki/client';
import { authorityPath } from '../src/cluster/certificates.js';

export const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

export interface NodeStatus {
  readonly id: string;
  readonly pid: number;
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  readonly base: number;
  readonly last: number;
  readonly committed: number;
  readonly applied: number;
  readonly keys: number;
  readonly level: number | null;
  readonly snapshot: { readonly index: number; readonly bytes: number; readonly at: string | null } | null;
}

/**
 * Polls a condition of real processes until it is true, with a generous deadline. Returns the
 * number of milliseconds until then.
 */
export async function eventually(
  description: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<number> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > limitMs) throw new Error(`did not happen within ${limitMs} ms: ${description}`);
    await pause(20);
  }
  return Math.round(performance.now() - start);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Finds `count` consecutive free ports and returns the first one. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
}

/** Exit status and output of a process. */
export interface ProcessResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

/** A `kontiki-demo` process. All its output is collected. */
export class Program {
  readonly process: ChildProcess;
  readonly result: Promise<ProcessResult>;
  output = '';

  /**
   * `cwd` is the working directory. It must not be the current directory, whose `kontiki-data` may
   * contain a real cluster. `main` is the program to run, by default that of this version.
   */
  constructor(args: readonly string[], cwd: string, input?: string, main = MAIN) {
    this.process = spawn(process.execPath, [main, ...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream?.on('data', (data: Buffer) => (this.output += data.toString()));
    this.process.stdin?.end(input);
    this.result = new Promise((resolve) => {
      this.process.once('close', (code, signal) => resolve({ code, signal, output: this.output }));
    });
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A demo cluster in a temporary folder, with all processes that the test has started in it. */
export class DemoCluster {
  readonly data: string = mkdtempSync(join(tmpdir(), 'kontiki-demo-'));
  readonly programs: Program[] = [];
  readonly port: number;
  readonly size: number;
  /** The nodes that clients use. A test that adds or removes nodes must update this list. */
  ids: readonly string[];
  readonly #joining: number;
  /** The number of nodes whose ports for clients follow each other. */
  #reachable: number;
  /** The authority of a cluster with certificates. */
  #ca: string | undefined;
  #http = new HttpClient();
  readonly #clients: ClusterClient[] = [];

  private constructor(size: number, joining: number, port: number) {
    this.size = size;
    this.#joining = joining;
    this.#reachable = size;
    this.port = port;
    this.ids = Array.from({ length: size }, (_, i) => `n${i + 1}`);
  }

  /** Creates a cluster with ports for `size` nodes, and for `joining` additional nodes. */
  static async create(size = 3, joining = 2): Promise<DemoCluster> {
    return new DemoCluster(size, joining, await freePorts(2 * (size + joining)));
  }

  /** A client that trusts the nodes. */
  get http(): HttpClient {
    return this.#http;
  }

  /** Creates a client of all nodes. Includes those that may join if `start` had `--peer-port`. */
  client(timeout: number): ClusterClient {
    const urls = Array.from({ length: this.#reachable }, (_, i) => this.url(`n${i + 1}`));
    const client = new ClusterClient({ urls, timeout, tls: { ca: this.#ca } });
    this.#clients.push(client);
    return client;
  }

  url(id: string): string {
    return `${this.#ca !== undefined ? 'https' : 'http'}://127.0.0.1:${this.port + Number(id.slice(1)) - 1}`;
  }

  run(args: readonly string[], input?: string, main?: string): Program {
    const program = new Program(args, this.data, input, main);
    this.programs.push(program);
    return program;
  }

  /** Starts the demo and waits until it prints the leader's name. */
  async start(...flags: string[]): Promise<Program> {
    const { data, port, size } = this;
    const program = this.run([
      'demo',
      '--data',
      data,
      '--nodes',
      `${size}`,
      '--port',
      `${port}`,
      '--peer-port',
      `${port + size}`,
      ...flags,
    ]);
    await eventually('the demo prints which node leads', () => {
      if (!program.alive) throw new Error(`the demo has exited:\n${program.output}`);
      return program.output.includes(' leads. Try');
    });
    if (flags.includes('--peer-port')) this.#reachable = size + this.#joining;
    if (flags.includes('--tls')) {
      this.#ca = readFileSync(authorityPath(data), 'utf8');
      this.#http = new HttpClient({ tls: { ca: this.#ca } });
    }
    return program;
  }

  async status(id: string): Promise<NodeStatus | undefined> {
    try {
      const { body } = await this.#http.send(this.url(id), { method: 'GET', path: '/status' }, 1_000);
      return JSON.parse(body.toString()) as NodeStatus;
    } catch {
      return undefined;
    }
  }

  /**
   * Returns the leader with the highest term, if a leader answers. The node `exceptId` is not
   * queried, because a node stopped by SIGSTOP would delay the result.
   */
  async leader(exceptId?: string): Promise<NodeStatus | undefined> {
    const all = await Promise.all(this.ids.filter((id) => id !== exceptId).map((id) => this.status(id)));
    const leading = all.filter((status) => status?.role === 'leader');
    return leading.sort((a, b) => (b?.term ?? 0) - (a?.term ?? 0))[0];
  }

  /**
   * Returns whether a node has applied every entry that the leader had committed when it was asked.
   */
  async caughtUp(id: string): Promise<boolean> {
    const [leader, node] = [await this.leader(), await this.status(id)];
    return leader !== undefined && node !== undefined && node.applied >= leader.committed;
  }

  async pids(): Promise<number[]> {
    const all = await Promise.all(this.ids.map((id) => this.status(id)));
    return all.flatMap((status) => (status === undefined ? [] : [status.pid]));
  }

  async remove(): Promise<void> {
    for (const program of this.programs) if (program.alive) program.process.kill('SIGTERM');
    await Promise.all(this.programs.map(({ result }) => result));
    for (const client of [this.#http, ...this.#clients]) client.close();
    rmSync(this.data, { recursive: true });
  }
}
