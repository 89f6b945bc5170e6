// Opens and uses a log and a snapshot store while strace makes one system call of this process fail,
// one after the other. Prints one line of JSON per failed system call. Arguments: store and phase.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { membershipOf } from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { openFolder } from '@kontiki/files/node';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';
import { Level } from 'level';

const owner = { cluster: 'test', server: 'a' };
const LAST = 8;
const membership = membershipOf([['a', { address: 'ws://a', metadata: '' }]]);

const storesIn = {
  fs: (path) => ({
    log: new FileLog(path, { segmentBytes: 16_384 }),
    snapshots: new FileSnapshots(path),
    release: async () => {},
  }),
  level: (path, createIfMissing = true) => {
    const db = new Level(path, { writeBufferSize: 65_536, createIfMissing });
    return { log: new LevelLog(db), snapshots: new LevelSnapshots(db), release: () => db.close() };
  },
};

const entry = (index) => ({ kind: 'command', index, term: 1, data: new Uint8Array(4_000).fill(index) });
const membershipAt = { kind: 'membership', index: 1, term: 1, membership };
const metaAt = (index) => ({
  id: `${index}`.padStart(32, '0'),
  cluster: owner.cluster,
  last: { index, term: 1 },
  membership: { index: 1, membership },
  genesis: 1,
  version: 1,
});

async function bytesOf(index) {
  const state = (async function* () {
    for (let i = 0; i < 3; i += 1) yield new Uint8Array(100_000).fill(i);
  })();
  const chunks = [];
  for await (const chunk of encodeSnapshot(metaAt(index), state)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const snapshotBytes = new Map();
for (const index of [10, 20, 30]) snapshotBytes.set(index, await bytesOf(index));

async function save(snapshots, index, finish = true) {
  const writer = await snapshots.create(metaAt(index));
  await writer.write(snapshotBytes.get(index).subarray(writer.offset));
  await writer.sync();
  if (finish) await writer.finish();
}

async function readAll(stream) {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

/** Creates data with a log, a finished snapshot and an unfinished snapshot. */
async function createData(path, { log, snapshots, release }) {
  await openFolder(path);
  await log.open(owner);
  await snapshots.open(owner);
  await log.append({ ballot: { term: 1, votedFor: 'a' }, entries: [membershipAt], committed: 0 });
  for (let index = 2; index <= LAST; index += 1) await log.append({ entries: [entry(index)], committed: index - 1 });
  await save(snapshots, 10);
  await save(snapshots, 30, false);
  await log.close();
  await snapshots.close();
  await release();
}

/** The calls of each phase. A start ends with the first call that fails. */
const phases = {
  create: ({ log, snapshots }) => [
    ['log.open', () => log.open(owner)],
    ['snapshots.open', () => snapshots.open(owner)],
  ],
  start: ({ log, snapshots }) => [
    ['log.open', () => log.open(owner)],
    ['snapshots.open', () => snapshots.open(owner)],
  ],
  run: ({ log, snapshots, acknowledge }) => [
    ...Array.from({ length: 6 }, (_, i) => [
      'log.append',
      () => log.append({ entries: [entry(LAST + 1 + i)], committed: LAST + i }).then(() => acknowledge(LAST + 1 + i)),
    ]),
    ['log.read', () => log.read(2, 5, 100_000)],
    ['log.compact', () => log.compact({ index: 6, term: 1, membership: { index: 1, membership }, genesis: 1 })],
    ['snapshots.create', () => save(snapshots, 20)],
    ['snapshots.read', () => readAll(snapshots.read(metaAt(10).id))],
    ['snapshots.remove', () => snapshots.remove(metaAt(10).id)],
    ['log.close', () => log.close()],
    ['snapshots.close', () => snapshots.close()],
  ],
};

/**
 * Attaches strace to this process. Resolves with a function that detaches it, and returns the calls
 * that strace made fail.
 */
async function attach(root, args) {
  const output = join(root, 'strace');
  const options = ['-f', '-y', '-o', output, '-p', `${process.pid}`, ...args];
  const strace = spawn('strace', options, { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = new Promise((resolve) => strace.once('close', resolve));
  let printed = '';
  await new Promise((resolve, reject) => {
    strace.stderr.on('data', (data) => {
      printed += data.toString();
      if (printed.includes('attached')) resolve();
    });
    void closed.then(() => reject(new Error(printed)));
  });
  return async () => {
    strace.kill('SIGINT');
    await closed;
    return readFileSync(output, 'utf8')
      .split('\n')
      .filter((line) => line.includes('(INJECTED)'));
  };
}

function codesOf(error) {
  const codes = [];
  for (let at = error; at instanceof Error && codes.length < 5; at = at.cause) codes.push(at.code ?? at.name);
  return codes;
}

/** System calls of the stores, except for those that fail only with a wrong argument. */
const SYSTEM_CALLS = {
  fs: 'openat mkdir pread64 pwrite64 fsync fdatasync rename unlink getdents64 statx statfs bind readlink',
  level: 'openat mkdir read pread64 write fsync fdatasync rename unlink getdents64 fcntl newfstatat access',
};
const ERRORS = ['EIO', 'ENOSPC', 'EROFS', 'EMFILE', 'EACCES'];
/** Number of occurrences of a system call that fail with the errors after the first one. */
const FEW = process.env.FAULTS_ALL === '1' ? 2 : 1;

/** Returns the paths of a database. Strace can select calls by exact paths only. */
function pathsIn(path) {
  const numbers = Array.from({ length: 20 }, (_, i) => `${i + 1}`.padStart(6, '0'));
  const names = numbers.flatMap((number) => [
    `${number}.log`,
    `${number}.ldb`,
    `${number}.dbtmp`,
    `MANIFEST-${number}`,
  ]);
  return [path, ...['CURRENT', 'LOCK', ...names].map((name) => join(path, name))];
}

/** Makes occurrence `when` of a system call fail. Resolves with undefined if there is none. */
async function run({ store, phase, call, error, when }) {
  const root = mkdtempSync(join(tmpdir(), 'kontiki-faults-'));
  const path = join(root, 'data');
  const isNew = phase === 'create';
  if (!isNew) cpSync(template, path, { recursive: true });
  let acknowledged = isNew ? 0 : LAST;
  let stores;
  if (phase === 'run') {
    stores = storesIn[store](path);
    await stores.log.open(owner);
    await stores.snapshots.open(owner);
  }
  const failures = [];
  const attempt = async (name, promise) => {
    await promise.catch((reason) => failures.push({ name, codes: codesOf(reason), message: reason.message }));
  };
  const paths = store === 'fs' ? [] : pathsIn(path).flatMap((one) => ['-P', one]);
  const inject = `inject=${call}:error=${error}:when=${when}`;
  const detach = await attach(root, ['-e', `trace=${call}`, '-e', inject, ...paths]);
  if (isNew) await attempt('openFolder', openFolder(path));
  if (failures.length === 0) {
    // A database begins to open when it is created. LevelDB replaces a database that it cannot see.
    stores ??= storesIn[store](path, isNew);
    const calls = phases[phase]({ ...stores, acknowledge: (index) => (acknowledged = index) });
    for (const [name, start] of calls) {
      await attempt(name, start());
      if (failures.length > 0 && phase !== 'run') break;
    }
  }
  const injected = await detach();
  if (stores !== undefined) {
    await attempt('log.close', stores.log.close());
    await attempt('snapshots.close', stores.snapshots.close());
    await stores.release();
  }
  const again = storesIn[store](path);
  await openFolder(path);
  const { last } = await again.log.open(owner);
  await again.snapshots.open(owner);
  await again.log.close();
  await again.snapshots.close();
  await again.release();
  rmSync(root, { recursive: true });
  return injected.length === 0
    ? undefined
    : { call, error, when, injected: injected[0], root, failures, acknowledged, last };
}

const [store, phase] = process.argv.slice(2);
const templateRoot = mkdtempSync(join(tmpdir(), 'kontiki-faults-'));
const template = join(templateRoot, 'data');
await createData(template, storesIn[store](template));
for (const call of SYSTEM_CALLS[store].split(' ')) {
  for (const error of ERRORS) {
    for (let when = 1; error === ERRORS[0] || when <= FEW; when += 1) {
      const result = await run({ store, phase, call, error, when });
      if (result === undefined) break;
      console.log(JSON.stringify(result));
    }
  }
}
rmSync(templateRoot, { recursive: true });
