import { describe, expect, it } from 'vitest';
import type { Entry, Message, Position } from '@kontiki/core';
import { Cluster, seeded, timings, type Server } from './cluster.js';

/**
 * A cluster under random delivery, loss, duplication, reordering, slow disks, crashes and cuts, and what Raft promises
 * (Raft Figure 3), checked as it runs. The simulator proper is larger; this one finds a broken rule in seconds.
 */
function must(condition: boolean, broken: string): void {
  if (!condition) throw new Error(broken);
}

class Checker {
  readonly committed: Position[] = [];
  readonly applied = new Map<readonly Entry[], number>();
  readonly leaderOf = new Map<number, string>();
  readonly voteOf = new Map<string, string>();
  readonly terms = new Map<string, number>();
  /** Reads under way: what was committed anywhere when they began. */
  readonly began = new Map<string, number>();
  commits = 0;
  elections = 0;
  reads = 0;

  check(cluster: Cluster, server: Server): void {
    const { raft, id } = server;
    const { log } = raft;
    if (raft.role === 'leader') {
      const other = this.leaderOf.get(raft.ballot.term);
      if (other === undefined) {
        this.elections += 1;
        this.leaderOf.set(raft.ballot.term, id);
        // Leader completeness.
        for (const { index, term } of this.committed) must(log.termAt(index) === term, `leader ${id} lacks ${index}`);
      } else must(other === id, `${other} and ${id} lead term ${raft.ballot.term}`);
    }
    const durableTerm = server.disk.ballot?.term ?? 0;
    must(durableTerm >= (this.terms.get(id) ?? 0), `${id} forgot its term`);
    this.terms.set(id, durableTerm);
    // State machine safety, and commits only of what a majority's disks hold.
    const seen = this.applied.get(server.applied) ?? 0;
    for (let i = seen; i < server.applied.length && i < this.committed.length; i += 1) {
      must(server.applied[i]?.term === this.committed[i]?.term, `${id} applied another entry ${i + 1}`);
      this.applied.set(server.applied, i + 1);
    }
    for (let index = this.committed.length + 1; index <= log.committed; index += 1) {
      const term = log.termAt(index) ?? -1;
      const holders = [...cluster.servers.values()].filter((s) => s.disk.entries[index - 1]?.term === term);
      must(holders.length * 2 > cluster.servers.size, `${index} was committed on ${holders.length} disks`);
      this.committed.push({ index, term });
      this.commits += 1;
    }
  }

  sent(cluster: Cluster, from: string, message: Message): void {
    if (message.kind === 'preVote') return;
    must(
      (cluster.get(from).disk.ballot?.term ?? 1) >= message.term,
      `${message.kind} left ${from} before its term was durable`,
    );
  }
}

function run(seed: number): Checker {
  const random = seeded(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const size = pick([1, 2, 3, 3, 4, 5, 5]);
  const ids = ['a', 'b', 'c', 'd', 'e'].slice(0, size);
  const one = random() < 0.5;
  const cluster = new Cluster(ids, {
    seed,
    limits: {
      ...(one ? { messageBytes: 1 } : {}),
      windowMessages: pick([1, 3, 64]),
      tailBytes: pick([0, 500, 1 << 20]),
      uncommittedBytes: pick([500, 1 << 20]),
    },
  });
  const rate = (): number => (random() < 0.5 ? 0 : random());
  const [loss, dup, reorder, crash, cut, slow] = [
    rate() * 0.3,
    rate() * 0.3,
    rate(),
    rate() * 0.02,
    rate() * 0.02,
    rate(),
  ];
  const checker = new Checker();
  for (let i = 0; i < 3_000; i += 1) {
    cluster.now += random() < 0.3 ? random() * 20 : 0;
    for (const { id, up, raft } of cluster.servers.values()) {
      if (!up) {
        if (random() < 0.02) cluster.start(id);
        continue;
      }
      if (raft.wakeAt <= cluster.now && random() < 0.8) cluster.tick(id, random() < 0.05);
      if (random() > slow * 0.9) cluster.write(id);
      if (random() < 0.5) cluster.load(id);
      if (random() < 0.1) cluster.propose(id, `${i}`);
      if (random() < 0.05) {
        const ticket = cluster.feed(id, (r) => r.read());
        checker.began.set(`${id}/${cluster.get(id).incarnation}/${ticket}`, checker.committed.length);
      }
      for (const [ticket, index] of cluster.get(id).reads) {
        for (let t = ticket; t > 0; t -= 1) {
          const key = `${id}/${cluster.get(id).incarnation}/${t}`;
          const began = checker.began.get(key);
          if (began === undefined) break;
          must(index >= began, `a read at ${id} is older than what was committed when it began`);
          checker.reads += 1;
          checker.began.delete(key);
        }
      }
      cluster.get(id).reads.clear();
      if (random() < crash) cluster.crash(id, Math.floor(random() * 4));
      checker.check(cluster, cluster.get(id));
    }
    if (random() < cut) {
      const shape = pick(['heal', 'heal', 'isolate', 'cut']);
      if (shape === 'heal') cluster.heal();
      else if (shape === 'isolate') cluster.isolate(pick(ids));
      else cluster.cut(pick(ids), pick(ids));
    }
    for (let n = cluster.net.length; n > 0 && random() < 0.9; n -= 1) {
      const at = random() < reorder ? Math.floor(random() * cluster.net.length) : 0;
      const [flight] = cluster.net.splice(at, 1);
      if (flight === undefined) break;
      checker.sent(cluster, flight.from, flight.message);
      if (random() < loss || cluster.isCut(flight.from, flight.to)) continue;
      cluster.deliver(flight);
      checker.check(cluster, cluster.get(flight.to));
      if (random() < dup) cluster.net.push(flight);
    }
    if (cluster.net.length > 2_000) cluster.net.splice(0, 1_000);
  }
  // Healed, the cluster elects, commits and agrees.
  cluster.heal();
  for (const { id, up } of cluster.servers.values()) if (!up) cluster.start(id);
  const isLast = (e: Entry): boolean => e.kind === 'command' && new TextDecoder().decode(e.data) === 'last';
  cluster.elapseUntil(() => {
    for (const id of cluster.leaders) cluster.propose(id, 'last');
    return ids.every((id) => cluster.get(id).applied.some(isLast));
  });
  cluster.elapse(5 * timings.election);
  const [first, ...others] = [...cluster.servers.values()];
  for (const { id } of cluster.servers.values()) checker.check(cluster, cluster.get(id));
  for (const other of others) expect(other.applied).toEqual(first?.applied);
  return checker;
}

describe('random executions', () => {
  it('keep what Raft promises, and do something meanwhile', () => {
    let [commits, elections, reads] = [0, 0, 0];
    const from = Number(process.env['SEED'] ?? 0);
    for (let seed = from; seed < from + Number(process.env['SEEDS'] ?? 60); seed += 1) {
      try {
        const checker = run(seed);
        commits += checker.commits;
        elections += checker.elections;
        reads += checker.reads;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    if (process.env['SEEDS'] === undefined) {
      expect(commits).toBeGreaterThan(3_000);
      expect(elections).toBeGreaterThan(100);
      expect(reads).toBeGreaterThan(1_000);
    }
    console.log({ commits, elections, reads });
  }, 120_000);
});
