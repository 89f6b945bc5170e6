// Runs the servers of an example in their own processes, for the tests of the examples.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, freePorts } from '../apps/demo/test/cluster.js';

export class Example {
  readonly ids: readonly string[];
  readonly port: number;
  readonly #main: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'kontiki-example-'));
  readonly #processes = new Map<string, ChildProcess>();

  private constructor(name: string, ids: readonly string[], port: number) {
    this.ids = ids;
    this.port = port;
    this.#main = fileURLToPath(new URL(`${name}/dist/main.js`, import.meta.url));
  }

  /** Starts all servers for the first time. Resolves when each of them has printed `ready`. */
  static async start(name: string, ids: readonly string[], ready = ''): Promise<Example> {
    const example = new Example(name, ids, await freePorts(ids.length));
    await Promise.all(ids.map((id) => example.run(id, ready, '--bootstrap')));
    return example;
  }

  /** Starts a server. Resolves when it has printed `ready`. */
  async run(id: string, ready: string, ...flags: string[]): Promise<void> {
    const env = { ...process.env, PORT: `${this.port}` };
    const child = spawn(process.execPath, [this.#main, id, ...flags], { cwd: this.#folder, env });
    this.#processes.set(id, child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
    await eventually(`${id} is ready`, () => {
      if (child.exitCode !== null) throw new Error(`${id} has exited:\n${output}`);
      return output.includes(ready);
    });
  }

  async stop(id: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#processes.get(id) as ChildProcess;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  signal(id: string, signal: NodeJS.Signals): void {
    this.#processes.get(id)?.kill(signal);
  }

  isRunning(id: string): boolean {
    return this.#processes.get(id)?.exitCode === null;
  }

  read(file: string): string | undefined {
    const path = join(this.#folder, file);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  }

  until(what: string, condition: () => boolean): Promise<unknown> {
    return eventually(what, condition);
  }

  remove(): void {
    for (const child of this.#processes.values()) child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
