// Shows how many syncs a commit takes. Three nodes with file logs run in virtual time, in which a
// frame takes 1 ms and a sync takes 2 ms.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bootstrap, MemoryNetwork, RaftNode } from '@kontiki/core';
import { Random, SimulatedDisk, VirtualClock } from '@kontiki/testing';
import { FileLog } from '@kontiki/storage-fs';

const ids = ['a', 'b', 'c'];
const command = new Uint8Array(256).fill(7);
let clock: VirtualClock;
let nodes: RaftNode<number>[];
let syncs: Map<string, number>;

function diskOf(id: string): SimulatedDisk {
  return new SimulatedDisk({
    delay: async ({ kind }) => {
      if (kind !== 'datasync') return;
      syncs.set(id, (syncs.get(id) ?? 0) + 1);
      await new Promise<void>((resolve) => {
        const timer = clock.timer(() => {
          timer.close();
          resolve();
        });
        timer.set(clock.now() + 2);
      });
    },
  });
}

/** Advances virtual time until a promise settles. */
async function settled<T>(promise: Promise<T>): Promise<T> {
  let done = false;
  const result = promise.finally(() => (done = true));
  await clock.until(() => done);
  return result;
}

beforeEach(async () => {
  clock = new VirtualClock();
  nodes = [];
  syncs = new Map();
  const random = new Random(1).next;
  const network = new MemoryNetwork({ clock, latency: () => 1 });
  const members = Object.fromEntries(ids.map((id) => [id, `memory:${id}`]));
  for (const id of ids) {
    const log = new FileLog(diskOf(id).folder, { segmentBytes: 400 * 1024, clock, random });
    await settled(bootstrap(log, { cluster: 'test', server: id, members }));
    const opening = RaftNode.open({
      id,
      cluster: 'test',
      machine: { apply: ({ entries }) => entries.map(({ data }) => data.length) },
      log,
      transport: network.transport(),
      timings: { heartbeat: 50, election: 200 },
      clock,
      random,
    });
    nodes.push(await settled(opening));
  }
  await clock.until(() => nodes.some((node) => node.isLeader && node.status().committed === 4));
  await clock.elapse(20);
  syncs.clear();
});
afterEach(() => settled(Promise.all(nodes.map((node) => node.close()))));

/**
 * Runs `proposers` concurrent callers. Each caller makes `each` proposals one after the other.
 * Returns the number of syncs on each server.
 */
async function load(proposers: number, each: number): Promise<number[]> {
  const leader = nodes.find((node) => node.isLeader) as RaftNode<number>;
  const propose = async (): Promise<void> => {
    for (let n = 0; n < each; n += 1) await leader.propose(command);
  };
  await settled(Promise.all(Array.from({ length: proposers }, propose)));
  // The followers learn the last commit index from the next message.
  await clock.elapse(10);
  expect(nodes.map((node) => node.status().committed)).toEqual(ids.map(() => 4 + proposers * each));
  return ids.map((id) => syncs.get(id) ?? 0);
}

it.each([1, 64, 256])('each server syncs once per round with %i concurrent proposers', async (proposers) => {
  expect(await load(proposers, 5)).toEqual([5, 5, 5]);
});

it('an idle cluster does not sync', async () => {
  await clock.elapse(5_000);
  expect([...syncs]).toEqual([]);
});
