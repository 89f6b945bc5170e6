// Shows that if any system call of a store fails, the store reports the path, the cause and the
// remedy, and loses no data. A child process opens, uses and closes a log and a snapshot store of
// one kind under strace, which makes each system call fail in turn.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const CHILD = fileURLToPath(new URL('stores-child.mjs', import.meta.url));

/**
 * For each error code, the text that identifies it in messages without the code, and the remedy
 * that the stores must report.
 */
const ERRORS: Readonly<Record<string, readonly [text: string, remedy: string]>> = {
  EIO: ['Input/output error', 'Check the disk and its connection'],
  ENOSPC: ['No space left on device', 'Free some space'],
  EROFS: ['Read-only file system', 'make its file system writable'],
  EMFILE: ['Too many open files', 'Raise the limit of open files'],
  EACCES: ['Permission denied', 'Give the user of this process access'],
};

interface Failure {
  readonly name: string;
  readonly codes: readonly string[];
  readonly message: string;
}

interface Case {
  readonly call: string;
  readonly error: string;
  readonly when: number;
  readonly injected: string;
  readonly root: string;
  readonly failures: readonly Failure[];
  /**
   * The index of the last acknowledged entry, and of the last entry that is found at the next
   * start.
   */
  readonly acknowledged: number;
  readonly last: number;
}

async function casesOf(store: string, phase: string): Promise<Case[]> {
  // With only one thread for file operations, system calls occur in the same order in every run.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
  const child = spawn(process.execPath, [CHILD, store, phase], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(0);
  return printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Case);
}

/** Returns descriptions of everything that is wrong with the report of a failure. */
function problemsOf(store: string, { call, error, root }: Case, { name, codes, message }: Failure): string[] {
  const [text, remedy] = ERRORS[error] as readonly [string, string];
  const problems: string[] = [];
  const requirePart = (what: string, ...parts: readonly string[]): void => {
    if (!parts.some((part) => message.includes(part))) problems.push(`the ${what} is missing`);
  };
  requirePart('path', root);
  // `Folder` makes these calls and passes on the system's errors.
  if (name === 'openFolder') {
    requirePart('cause', error);
    return problems;
  }
  // If LevelDB cannot list its folder or cannot check that the folder exists, it acts as if its
  // files were missing.
  if (store === 'level' && (call === 'getdents64' || call === 'access')) {
    requirePart('remedy', call === 'access' ? 'try again' : 'check the disk and try again');
    return problems;
  }
  if (codes[0] !== 'KONTIKI_STORE_FAILED' && codes[0] !== 'KONTIKI_DISK_FULL') problems.push(`the code is ${codes[0]}`);
  requirePart('remedy', remedy);
  requirePart('cause', error, text);
  return problems;
}

/**
 * Whether strace may attach to a process on this machine. Containers and hardened kernels often
 * forbid this.
 */
const probe = spawnSync('strace', ['-o', '/dev/null', '-p', `${process.pid}`, '-e', 'trace=none'], {
  timeout: 500,
  killSignal: 'SIGINT',
  encoding: 'utf8',
});
const attaches = probe.stderr?.includes('attached') === true;
if (!attaches) console.log(`skipped: strace cannot attach (${probe.error?.message ?? probe.stderr})`);

/** Maximum duration of the tests in milliseconds. They take about a minute on an idle machine. */
const TIMEOUT = 600_000;

/** `FAULTS_ALL=1` tests all phases of both kinds of stores. */
const PHASES = [
  ['fs', 'start', 'during a later start'],
  ['fs', 'run', 'while running'],
  ['level', 'run', 'while running'],
  ['fs', 'create', 'during its first start'],
  ['level', 'create', 'during its first start'],
  ['level', 'start', 'during a later start'],
] as const;

describe.concurrent('stores on a failing disk', { timeout: TIMEOUT }, () => {
  it.runIf(attaches).each(process.env['FAULTS_ALL'] === '1' ? PHASES : PHASES.slice(0, 3))(
    'a store in %s (%s) explains each failed system call %s',
    async (store, phase) => {
      const cases = await casesOf(store, phase);
      expect(cases.length).toBeGreaterThan(50);
      const problems = cases.flatMap((one) =>
        one.failures.flatMap((failure) =>
          problemsOf(store, one, failure).map(
            (text) => `${text}: ${failure.name}: ${failure.message} (${one.injected})`,
          ),
        ),
      );
      expect(problems).toEqual([]);
      const lost = cases.filter(({ acknowledged, last }) => last < acknowledged);
      expect(lost).toEqual([]);
      // For each kind of error, at least one call must have failed.
      expect(new Set(cases.filter(({ failures }) => failures.length > 0).map(({ error }) => error)).size).toBe(5);
    },
  );
});
