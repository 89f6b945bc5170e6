// Shows that the folder lock never considers a living process dead, even if two processes reach the
// folder through different mounts. Each process runs in a new mount namespace, so that it has its
// own mounts.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { viewOf } from '../src/node-view.js';
import { kill, killAll, start, type Starter } from './starter.js';

const NAMESPACE = ['unshare', '--map-root-user', '--mount', '--pid', '--fork', '--kill-child'];
/** Commands that make the folder `$ROOT/data` visible as `$ROOT/view`. */
const OVERLAY = 'mount -t overlay overlay -o lowerdir=$ROOT/low,upperdir=$ROOT/data,workdir=$ROOT/work $ROOT/view';
const BINDFS = 'bindfs $ROOT/data $ROOT/view';
const BIND = 'mount --bind $ROOT/data $ROOT/view';
/**
 * A command that changes the boot id that a process sees, as if it were running before a reboot or
 * on another machine.
 */
const OTHER_BOOT = 'mount --bind $ROOT/boot /proc/sys/kernel/random/boot_id';

let root: string;
let data: string;
let view: string;

beforeEach(() => makeRoot());
afterEach(() => {
  killAll();
  rmSync(root, { recursive: true });
});

function makeRoot(): void {
  root = mkdtempSync(join(tmpdir(), 'kontiki-mounts-'));
  [data, view] = [join(root, 'data'), join(root, 'view')];
  for (const name of ['data', 'view', 'low', 'work']) mkdirSync(join(root, name));
  writeFileSync(join(root, 'boot'), '01234567-89ab-cdef-0123-456789abcdef\n');
}

function prefix(mounts: readonly string[]): readonly string[] {
  return [...NAMESPACE, 'sh', '-c', `${[`ROOT='${root}'`, ...mounts].join(' && ')} && exec "$@"`, 'sh'];
}

/** Locks the folder, either directly or through the given mounts. */
function startDirectly(...mounts: readonly string[]): Starter {
  return start(data, mounts.length === 0 ? [] : prefix(mounts));
}

function startThrough(...mounts: readonly string[]): Starter {
  return start(view, prefix(mounts));
}

/** Returns whether this machine permits the given mount. */
function allows(mount: string): boolean {
  makeRoot();
  const { status, stderr, error } = spawnSync('env', [...prefix([mount]), 'true'], { encoding: 'utf8' });
  rmSync(root, { recursive: true });
  if (status !== 0) console.log(`skipped: this machine does not allow "${mount}" (${error?.message ?? stderr.trim()})`);
  return status === 0;
}

describe.each([
  ['an overlay', OVERLAY],
  ['a FUSE mount', BINDFS],
])('a folder lock and %s', (what, mount) => {
  it.runIf(allows(mount)).each([
    [`directly cannot be locked through ${what}`, startDirectly, () => startThrough(mount)],
    [`through ${what} cannot be locked directly`, () => startThrough(mount), startDirectly],
  ])('a folder locked %s', async (_, first, second) => {
    const holder = first();
    expect(await holder.answer).toBe('won');
    expect(await second().answer).toBe('KONTIKI_LOCKED');
    // A dead process behind another mount looks like a living one, so the error names the file to
    // remove.
    await kill(holder);
    const [, lock] = /remove its lock \S*?(lock-\S+) /.exec(await second().output) ?? [];
    rmSync(join(data, lock as string));
    expect(await second().answer).toBe('won');
  });
});

describe('a folder lock after a restart', () => {
  it.runIf(allows(BIND))('a restarted container takes over the lock in its volume', async () => {
    const holder = startThrough(BIND);
    expect(await holder.answer).toBe('won');
    expect(await startThrough(BIND).answer).toBe('KONTIKI_LOCKED');
    expect(await startDirectly().answer).toBe('KONTIKI_LOCKED');
    await kill(holder);
    expect(await startThrough(BIND).answer).toBe('won');
  });

  it.runIf(allows(OTHER_BOOT))('a process takes over the lock on a local disk after a reboot', async ({ skip }) => {
    const isLocal = (await viewOf(root)).endsWith('-local');
    if (!isLocal) skip(`${root} is not on a local file system`);
    const holder = startDirectly(OTHER_BOOT);
    expect(await holder.answer).toBe('won');
    await kill(holder);
    expect(await startDirectly().answer).toBe('won');
  });

  it.runIf(allows(`${OTHER_BOOT} && ${BINDFS}`))(
    'a process does not take over a lock held by a client on another machine',
    async () => {
      const holder = startThrough(OTHER_BOOT, BINDFS);
      expect(await holder.answer).toBe('won');
      expect(await startDirectly().answer).toBe('KONTIKI_LOCKED');
    },
  );
});
