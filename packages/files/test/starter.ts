import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('lock-child.mjs', import.meta.url));

/** A process that tries to lock a folder, and holds the lock until its standard input ends. */
export interface Starter {
  readonly process: ChildProcess;
  /** Resolves with "won" if the process gets the lock, and with an error code otherwise. */
  readonly answer: Promise<string>;
  /** Resolves with the whole output of the process once it has ended. */
  readonly output: Promise<string>;
}

const started = new Set<ChildProcess>();

/**
 * Starts a process that locks `folder`. `prefix` precedes the command line of the process, for
 * example to run it in another namespace.
 */
export function start(folder: string, prefix: readonly string[] = []): Starter {
  const child = spawn('env', [...prefix, process.execPath, CHILD, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  started.add(child);
  let printed = '';
  child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
  // Wait for `close`, because some output may not have been read yet at `exit`.
  const output = new Promise<string>((resolve) => child.once('close', () => resolve(printed)));
  const line = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
  const answer = Promise.race([line, output]).then(() => printed.split(/\s/)[0] || 'no answer');
  return { process: child, answer, output };
}

/** Kills a process and waits until it has ended. */
export async function kill({ process, output }: Starter): Promise<void> {
  process.kill('SIGKILL');
  await output;
}

/** Kills all processes that `start` has started. */
export function killAll(): void {
  for (const child of started) child.kill('SIGKILL');
  started.clear();
}
