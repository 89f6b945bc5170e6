// Shows that a cluster goes on committing while strangers, and a server with a valid certificate but
// bad intentions, send garbage to all of its ports. ATTACK_SECONDS sets the duration.
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Authority } from '../../../packages/peers/test/transports/certificates.js';
import { freePort } from '../../../packages/peers/test/transports/servers.js';
import { type Attack, attacks, type Target } from './attack/attacks.js';
import type { Report, Settings } from './attack/node.js';

const SECONDS = Number(process.env['ATTACK_SECONDS'] ?? 3);
const MAX_RESIDENT = 300 * 1024 * 1024;
const NODE = fileURLToPath(new URL('attack/node.ts', import.meta.url));

const toClose: (() => unknown)[] = [];
afterEach(() => {
  for (const close of toClose.splice(0).reverse()) close();
});

class Member {
  readonly #child: ChildProcess;
  report: Report | undefined;
  exit: string | undefined;
  maxResident = 0;

  constructor(settings: Settings) {
    const execArgv = ['--import', import.meta.resolve('tsx'), '--conditions=@kontiki/source'];
    this.#child = fork(NODE, [], { execArgv, env: { ...process.env, SETTINGS: JSON.stringify(settings) } });
    this.#child.on('message', (report: Report) => {
      this.report = report;
      this.maxResident = Math.max(this.maxResident, report.residentBytes);
    });
    // An unhandled rejection and a failed node end the process.
    this.#child.on('exit', (code, signal) => (this.exit = `${code ?? signal}`));
    toClose.push(() => this.#child.kill('SIGKILL'));
  }
}

/** Resolves when the condition holds. Rejects after a minute. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const committedBy = (members: readonly Member[]): number =>
  Math.max(...members.map(({ report }) => report?.committed ?? 0));

/** Resolves when the cluster has committed another hundred commands. */
function commitsGoOn(members: readonly Member[]): Promise<void> {
  const before = committedBy(members);
  return until(() => committedBy(members) >= before + 100, 'further commits');
}

/** Returns the commits per second of the cluster in a period. */
async function rate(members: readonly Member[], seconds: number): Promise<number> {
  const committed = (): number => committedBy(members);
  const [before, start] = [committed(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  return ((committed() - before) * 1_000) / (performance.now() - start);
}

/** Repeats an attack on a target, several at a time, until `isOver`. */
async function repeat(attack: Attack, target: Target, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await Promise.all(Array.from({ length: 4 }, () => attack(target)));
    // An attack that fails immediately would keep this process busy and nothing else.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

it.each(['ws', 'http'] as const)(
  'a cluster over %s commits while garbage reaches all its ports',
  async (kind) => {
    const folder = mkdtempSync(join(tmpdir(), 'kontiki-attack-'));
    toClose.push(() => rmSync(folder, { recursive: true, force: true }));
    const [authority, other] = [await Authority.create(), await Authority.create('other')];
    const ids = ['a', 'b', 'c'];
    const addresses = await Promise.all(
      ids.map(async (id) => [id, `${kind}://127.0.0.1:${await freePort()}`] as const),
    );
    const members = await Promise.all(
      addresses.map(async ([id]) => {
        const tls = await authority.issue({ uris: [`kontiki://c-1/${id}`] });
        const all = Object.fromEntries(addresses);
        return new Member({ id, folder: join(folder, id), members: all, kind, security: { tls } });
      }),
    );
    await until(() => members.every(({ report }) => (report?.committed ?? 0) > 100), 'the first commits');
    const quiet = await rate(members, 1);

    const thousand = Array.from({ length: 1_000 }, (_, i) => `kontiki://c-1/s${i}`);
    const member = await authority.issue({ uris: thousand });
    const wrong = await Promise.all([
      authority.issue({ uris: ['kontiki://c-1/other'] }),
      authority.issue({ uris: thousand.map((uri) => uri.replace('c-1', 'c-2')) }),
      authority.issue({ uris: thousand, days: -1 }),
      other.issue({ uris: thousand }),
    ]);
    let isOver = false;
    const running = addresses.flatMap(([server, address]) => {
      const target = { port: Number(new URL(address).port), server, kind, member, wrong };
      return Object.values(attacks).map((attack) => repeat(attack, target, () => isOver));
    });
    const attacked = await rate(members, SECONDS);
    // On a busy machine, connections are often closed before they complete the handshake.
    const all = ['tls', 'identity', 'cluster'];
    await until(
      () => members.every(({ report }) => all.every((reason) => (report?.refusals[reason] ?? 0) > 0)),
      'a refusal for every reason on every server',
    );
    await commitsGoOn(members);
    isOver = true;
    await Promise.all(running);
    await commitsGoOn(members);
    const after = await rate(members, 1);

    const resident = members.map(({ maxResident }) => Math.round(maxResident / 1024 / 1024));
    console.log(
      `${kind}: ${Math.round(quiet)} commits per second before, ${Math.round(attacked)} during ${SECONDS} s of garbage ` +
        `(ratio ${(attacked / quiet).toFixed(2)}), ${Math.round(after)} after; resident MiB ${resident.join(' ')}; ` +
        `log lines ${members.map(({ report }) => report?.lines).join(' ')}; refusals ${JSON.stringify(members[0]?.report?.refusals)}`,
    );
    expect(members.map(({ exit }) => exit)).toEqual([undefined, undefined, undefined]);
    for (const { maxResident, report } of members) {
      expect(maxResident).toBeLessThan(MAX_RESIDENT);
      expect(report?.refusals).toMatchObject({
        tls: expect.any(Number),
        identity: expect.any(Number),
        cluster: expect.any(Number),
      });
      // Each topic is logged once in ten seconds.
      expect(report?.lines).toBeLessThan(200 + 20 * SECONDS);
    }
  },
  (SECONDS + 120) * 1_000,
);
