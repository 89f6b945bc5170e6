// Shows that a cluster continues to commit while attackers send garbage to all of its ports. The
// attackers have no credentials, wrong credentials, or valid ones. ATTACK_SECONDS sets the
// duration.
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../../packages/peers/test/transports/servers.js';
import {
  type Attack,
  endAttacks,
  floods,
  halfOpen,
  intrude,
  record,
  refused,
  replay,
  sent,
  strangers,
  type Target,
} from './attack/attacks.js';
import { BAD_RECORD, certificates, type Credentials, nothing, secrets } from './attack/credentials.js';
import type { Report, Settings } from './attack/node.js';

const SECONDS = Number(process.env['ATTACK_SECONDS'] ?? 3);
/**
 * Minimum duration of an attack for which the rates are checked. A shorter attack would mostly
 * measure the startup of the attackers.
 */
const LONG_SECONDS = 60;
/**
 * Maximum duration of one part of the attack. Pauses between the parts show the rate without an
 * attack.
 */
const PART_SECONDS = 15;
/**
 * Time between two runs of the same attack on the same server. The attackers share the processors
 * of this machine with the cluster. Without a limit, their number would depend on the scheduler.
 */
const PERIOD_MS = 1_000;
const MAX_RESIDENT = 300 * 1024 * 1024;
const NODE = fileURLToPath(new URL('attack/node.ts', import.meta.url));

const toClose: (() => unknown)[] = [];
afterEach(() => {
  for (const close of toClose.splice(0).reverse()) close();
});

class Member {
  readonly #settings: Settings;
  #child: ChildProcess;
  report: Report | undefined;
  exit: string | undefined;
  maxResident = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#child = this.#start();
    toClose.push(() => this.#child.kill('SIGKILL'));
  }

  #start(): ChildProcess {
    const execArgv = ['--import', import.meta.resolve('tsx')];
    const child = fork(NODE, [], { execArgv, env: { ...process.env, SETTINGS: JSON.stringify(this.#settings) } });
    child.on('message', (report: Report) => {
      if (child !== this.#child) return;
      this.report = report;
      this.maxResident = Math.max(this.maxResident, report.residentBytes);
    });
    // Either an unhandled rejection or a failed node would end the process.
    child.on('exit', (code, signal) => {
      if (child === this.#child) this.exit = `${code ?? signal}`;
    });
    return child;
  }

  /** Kills the process with SIGKILL, and starts a new one. */
  restart(): void {
    const killed = this.#child;
    this.report = undefined;
    this.#child = this.#start();
    killed.kill('SIGKILL');
  }
}

/** Resolves when a condition becomes true. Rejects after a minute. */
async function until(condition: () => boolean, what: () => string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`timed out waiting for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const committedBy = (members: readonly Member[]): number =>
  Math.max(...members.map(({ report }) => report?.committed ?? 0));

/** Resolves when the cluster has committed another hundred commands. */
function commitsGoOn(members: readonly Member[]): Promise<void> {
  const before = committedBy(members);
  return until(
    () => committedBy(members) >= before + 100,
    () => 'further commits',
  );
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Sums of the measurements over several periods. */
class Totals {
  seconds = 0;
  commits = 0;
  /** CPU time of all servers in seconds. */
  serverSeconds = 0;
  /** CPU time of this process, which runs the attackers, in seconds. */
  attackerSeconds = 0;
  connections = 0;
  bytes = 0;

  /** Measures a period that starts now, and adds the measurements to the sums. */
  async measure(members: readonly Member[], seconds: number): Promise<void> {
    const add = (sign: 1 | -1): void => {
      const { user, system } = process.cpuUsage();
      this.seconds += (sign * performance.now()) / 1_000;
      this.commits += sign * committedBy(members);
      for (const { report } of members) this.serverSeconds += sign * (report?.cpuSeconds ?? 0);
      this.attackerSeconds += (sign * (user + system)) / 1e6;
      this.connections += sign * sent.connections;
      this.bytes += sign * sent.bytes;
    };
    add(-1);
    await sleep(seconds * 1_000);
    add(1);
  }
}

/** Repeats an attack on a target at most once per period, until `isOver` returns true. */
async function repeat(attack: Attack, target: Target, isOver: () => boolean): Promise<void> {
  while (!isOver()) await Promise.all([attack(target), sleep(PERIOD_MS)]);
}

/** Starts attacks on all targets, spread over a period. The returned function ends them. */
function start(targets: readonly Target[], attacks: readonly Attack[]): () => Promise<unknown> {
  let isOver = false;
  const pairs = attacks.flatMap((attack) => targets.map((target) => [attack, target] as const));
  const running = pairs.map(async ([attack, target], i) => {
    await sleep((i * PERIOD_MS) / pairs.length);
    await repeat(attack, target, () => isOver);
  });
  const end = (): Promise<unknown> => {
    isOver = true;
    endAttacks();
    return Promise.all(running);
  };
  toClose.push(end);
  return end;
}

/** Starts a cluster of three servers. Resolves when it has committed its first commands. */
async function startCluster(kind: 'ws' | 'http', credentials: Credentials): Promise<[Member[], Target[]]> {
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-attack-'));
  toClose.push(() => rmSync(folder, { recursive: true, force: true }));
  const ids = ['a', 'b', 'c'];
  const ports = await Promise.all(ids.map(() => freePort()));
  const addresses = Object.fromEntries(ids.map((id, i) => [id, `${kind}://127.0.0.1:${ports[i]}`]));
  const members: Member[] = [];
  for (const id of ids) {
    const security = await credentials.security(id);
    members.push(new Member({ id, folder: join(folder, id), members: addresses, kind, security }));
  }
  await until(
    () => members.every(({ report }) => (report?.committed ?? 0) > 100),
    () => 'the first commits',
  );
  const targets: Target[] = [];
  for (const [i, server] of ids.entries()) {
    const target = { port: ports[i] as number, server, kind, credentials };
    targets.push({ ...target, recorded: await record(target) });
  }
  return [members, targets];
}

/** Returns how often each reason occurs. */
function countOf(reasons: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const reason of reasons) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

/**
 * All combinations of transports and credentials. A short run covers each transport once and each
 * kind of credentials once.
 */
const wires = [
  ['http', 'certificates', certificates],
  ['ws', 'secrets', secrets],
  ['ws', 'nothing', nothing],
  ['ws', 'certificates', certificates],
  ['http', 'secrets', secrets],
  ['http', 'nothing', nothing],
] as const;

it.each(SECONDS < LONG_SECONDS ? wires.slice(0, 2) : wires)(
  'a cluster over %s with %s commits while garbage reaches all its ports',
  async (kind, name, create) => {
    const credentials = await create();
    const started = performance.now();
    const [members, targets] = await startCluster(kind, credentials);
    const reports = (): string => JSON.stringify(members.map(({ report }) => report));

    // The code of the first failed TLS handshake of each server is always logged.
    const [one, other] = credentials.wrong.filter(({ code }) => code !== undefined);
    const hasFirst = one !== undefined && other !== undefined;
    if (hasFirst) {
      const [a, b, c] = targets as [Target, Target, Target];
      await Promise.all([intrude(one.options)(a), intrude(other.options)(b), replay(c)]);
      await until(() => members.every(({ report }) => report?.firstTlsCode !== undefined), reports);
      expect(members.map(({ report }) => report?.firstTlsCode)).toEqual([one.code, other.code, BAD_RECORD]);
    }

    // Run each attack once on each server. The server must count every attack once, under the right
    // reason.
    const attempts = refused({ kind, credentials });
    const counted = countOf([...attempts.map(({ reason }) => reason), ...(hasFirst ? ['tls'] : [])]);
    await Promise.all(targets.flatMap((target) => attempts.map(({ attack }) => attack(target))));
    await until(
      () => members.every(({ report }) => isDeepStrictEqual(report?.refusals, counted)),
      () => `refusals of ${JSON.stringify(counted)} in ${reports()}`,
    );

    const isRefused = (...reasons: readonly string[]): Promise<void> =>
      until(
        () => members.every(({ report }) => reasons.every((reason) => (report?.refusals[reason] ?? 0) > 0)),
        () => `refusals for ${reasons.join(' and ')} in ${reports()}`,
      );
    const [calm, attacked] = [new Totals(), new Totals()];
    const parts = Math.ceil(SECONDS / PART_SECONDS);
    for (let part = 0; part < parts; part += 1) {
      await calm.measure(members, SECONDS / parts / 3);
      const end = start(targets, [...attempts.map(({ attack }) => attack), ...floods]);
      await attacked.measure(members, SECONDS / parts);
      await isRefused('unidentified');
      await commitsGoOn(members);
      await end();
    }
    await calm.measure(members, SECONDS / parts / 3);
    const endStrangers = start(targets, [strangers]);
    await isRefused('busy');
    await commitsGoOn(members);
    await endStrangers();

    const { commits, seconds, serverSeconds } = attacked;
    const [calmRate, rate] = [calm.commits / calm.seconds, commits / seconds];
    const cpuRatio = (commits / serverSeconds) * (calm.serverSeconds / calm.commits);
    const resident = members.map(({ maxResident }) => Math.round(maxResident / 1024 / 1024));
    const lines = members.map(({ report }) => report?.lines ?? 0);
    console.log(
      `${kind} with ${name}: ${Math.round(rate)} commits per second during ${Math.round(seconds)} s of garbage, ` +
        `${Math.round(calmRate)} without: ratio ${(rate / calmRate).toFixed(2)}, ` +
        `per CPU time of the servers ${cpuRatio.toFixed(2)}; ` +
        `attackers: ${Math.round(attacked.connections / seconds)} connections, ` +
        `${Math.round(attacked.bytes / 1_000 / seconds)} kB and ` +
        `${(attacked.attackerSeconds / seconds).toFixed(2)} s of CPU time per second; resident MiB ${resident.join(' ')}; ` +
        `log lines ${lines.join(' ')}; refusals ${JSON.stringify(members[0]?.report?.refusals)}`,
    );
    if (SECONDS >= LONG_SECONDS) expect(rate / calmRate).toBeGreaterThanOrEqual(0.5);
    expect(members.map(({ exit }) => exit)).toEqual([undefined, undefined, undefined]);
    for (const { maxResident, report } of members) {
      expect(maxResident).toBeLessThan(MAX_RESIDENT);
      // There are about two dozen topics, and each is logged at most once every ten seconds.
      expect(report?.lines).toBeLessThan(100 + (5 * (performance.now() - started)) / 1_000);
    }
  },
  (SECONDS + 180) * 1_000,
);

it.each(SECONDS < LONG_SECONDS ? (['ws'] as const) : (['ws', 'http'] as const))(
  'a server over %s that restarts during a flood of half-open connections rejoins',
  async (kind) => {
    const [members, targets] = await startCluster(kind, await certificates());
    const end = start(targets, [halfOpen]);
    await until(
      () => members.every(({ report }) => (report?.refusals['unidentified'] ?? 0) > 0),
      () => 'a full table of connections on each server',
    );
    const [, , c] = members as [Member, Member, Member];
    const [before, restarted] = [committedBy(members), performance.now()];
    c.restart();
    await until(
      () => (c.report?.committed ?? 0) > before,
      () => 'a commit on the restarted server',
    );
    console.log(`${kind}: rejoined after ${Math.round(performance.now() - restarted)} ms`);
    await until(
      () => (c.report?.refusals['unidentified'] ?? 0) > 0,
      () => 'a refusal of the restarted server',
    );
    await end();
  },
  180_000,
);
