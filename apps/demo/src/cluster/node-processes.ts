import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { DemoNode } from './cluster-file.js';

/** Milliseconds a node may take to stop before it is killed. */
const STOP_TIMEOUT = 10_000;

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** The nodes of a demo, each a process of its own. They end by themselves when this process dies: their IPC channel closes. */
export class Children {
  readonly #processes = new Map<string, ChildProcess>();
  readonly #print: (line: string) => void;
  #stopping = false;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** Starts a node; `begins`: of a cluster that has just begun. Resolves when it listens, or with its exit code when it ended before. */
  async start(node: DemoNode, args: readonly string[], begins: boolean): Promise<number | 'listens'> {
    const child = fork(MAIN, ['node', '--id', node.id, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#processes.set(node.id, child);
    child.send({ begins });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#print(`${node.id} | ${line}`));
    }
    const exited = once(child, 'exit').then(([code, signal]: (number | string | null)[]) => {
      this.#processes.delete(node.id);
      return { code: Number(code ?? 1), signal };
    });
    const first = await Promise.race([exited, once(child, 'message').then(() => 'listens' as const)]);
    if (first !== 'listens') return first.code;
    void exited.then(({ code, signal }) => {
      if (this.#stopping) return;
      this.#print(
        `${node.id} has ended (${signal ?? `exit code ${code}`}). It is not restarted; to do so: kontiki-demo node --id ${node.id} ${args.join(' ')}`,
      );
    });
    return 'listens';
  }

  get running(): number {
    return this.#processes.size;
  }

  /** Asks all to stop and waits until they have. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      [...this.#processes.values()].map(async (child) => {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT);
        await exited;
        clearTimeout(late);
      }),
    );
  }
}
