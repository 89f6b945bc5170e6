import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { COMMAND, shellWord } from '../cli.js';
import type { DemoNode } from './cluster-file.js';

/** Time limit for a node to stop, in milliseconds. A node that takes longer is killed. */
const STOP_TIMEOUT = 10_000;

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/**
 * The nodes of a demo, each in its own process. If this process dies, the IPC channels to the nodes
 * close and the nodes stop.
 */
export class NodeProcesses {
  readonly #processes = new Map<string, ChildProcess>();
  readonly #print: (line: string) => void;
  readonly #onExited: () => void;
  #stopping = false;

  /**
   * `onExited` is called when a running node exits unexpectedly and other nodes are still running.
   */
  constructor(print: (line: string) => void, onExited: () => void) {
    this.#print = print;
    this.#onExited = onExited;
  }

  /**
   * Starts a node. `clusterIsNew` is true if this demo has just created the cluster. Resolves with
   * `listening` when the node accepts requests, or with the node's exit code if the node exits
   * first.
   */
  async start(node: DemoNode, args: readonly string[], clusterIsNew: boolean): Promise<number | 'listening'> {
    const child = fork(MAIN, ['node', '--id', node.id, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#processes.set(node.id, child);
    child.send({ clusterIsNew });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#print(`${node.id} | ${line}`));
    }
    const exited = once(child, 'exit').then(([code, signal]: (number | string | null)[]) => {
      this.#processes.delete(node.id);
      return { code: Number(code ?? 1), signal };
    });
    const first = await Promise.race([exited, once(child, 'message').then(() => 'listening' as const)]);
    if (first !== 'listening') return first.code;
    void exited.then(({ code, signal }) => {
      if (this.#stopping) return;
      const how = signal ?? `exit code ${code}`;
      this.#print(
        node.storage === 'memory'
          ? `${node.id} has exited (${how}). Its data was in memory, so it cannot be started again.`
          : `${node.id} has exited (${how}). The demo does not restart it. To restart it, run in another terminal:\n\n  ${COMMAND} node --id ${node.id} ${args.map(shellWord).join(' ')}\n`,
      );
      if (this.running > 0) this.#onExited();
    });
    return 'listening';
  }

  /** Number of running nodes. */
  get running(): number {
    return this.#processes.size;
  }

  /** Stops all nodes. Resolves when their processes have exited. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      [...this.#processes.values()].map(async (child) => {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        const killTimer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT);
        await exited;
        clearTimeout(killTimer);
      }),
    );
  }
}
