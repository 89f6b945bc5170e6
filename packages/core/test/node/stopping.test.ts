// Shows which failures of logs and state machines stop a node, and that the node keeps its data.
import { afterEach, describe, expect, it } from 'vitest';
import { KontikiError, MemorySnapshots, type MemoryLog, type RaftNode } from '@kontiki/core';
import { atOnce, bytes, runToOutcome, Journal, Nodes, outcome } from './harness.js';
import { SnapshotJournal } from './snapshot-harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

describe('failures that stop a node', () => {
  // bugs.md#s12
  it.each<[string, () => number[]]>([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['returns too many results', () => [1, 2, 3]],
  ])('a state machine that %s stops the node but leaves the log intact', async (_, apply) => {
    await nodes.bootstrap('a');
    const node = await nodes.open('a', {
      machine: { apply: (batch) => (batch.entries.length === 0 ? [] : apply()) },
    });
    await nodes.clock.until(() => node.status().role === 'leader');
    let fatal: unknown;
    node.on('fatal', ({ error }) => (fatal = error));
    expect(await runToOutcome(nodes, node.propose(bytes('x')))).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect((fatal as KontikiError).code).toBe('KONTIKI_MACHINE_FAILED');
    expect((fatal as KontikiError).cause).toBeInstanceOf(Error);
    expect(node.status().role).toBe('failed');
    await node.close(atOnce);
    await nodes.open('a');
    await nodes.clock.until(() => nodes.machine('a').commands.length === 1);
  });

  it('a failed append stops the leader, and another server is elected', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const log = nodes.logs.get(leader.id) as MemoryLog;
    log.append = () => Promise.reject(new KontikiError('KONTIKI_STORE_FAILED', 'no disk'));
    let fatal: unknown;
    leader.on('fatal', ({ error }) => (fatal = error));
    expect(await runToOutcome(nodes, leader.propose(bytes('x')))).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect((fatal as KontikiError).code).toBe('KONTIKI_STORE_FAILED');
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader !== leader);
  });

  it('a leader that cannot read its log stops without sending an append (bugs.md#50)', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    for (const id of ['a', 'b', 'c']) await nodes.open(id, { limits: { tailBytes: 1 } });
    await nodes.clock.until(() => nodes.leader !== undefined);
    const leader = nodes.leader as RaftNode<number>;
    const away = nodes.followers[0]?.id as string;
    nodes.network.isolate(away);
    for (const command of ['x', 'y', 'z']) await runToOutcome(nodes, leader.propose(bytes(command)));
    const log = nodes.logs.get(leader.id) as MemoryLog;
    log.read = () => Promise.reject(new KontikiError('KONTIKI_CORRUPT', 'byte 7'));
    let fatal: unknown;
    leader.on('fatal', ({ error }) => (fatal = error));
    const before = nodes.get(away).status().last;
    nodes.network.heal();
    await nodes.clock.until(() => leader.status().role === 'failed');
    expect((fatal as KontikiError).code).toBe('KONTIKI_CORRUPT');
    expect(nodes.get(away).status().last).toBe(before);
    // The next leader can read its log without an error.
    await nodes.clock.until(() => nodes.machine(away).commands.length === 3);
    expect(nodes.machine(away).commands).toEqual(['x', 'y', 'z']);
  });

  it('open rejects a state machine that is ahead of its log and closes the log', async () => {
    await nodes.bootstrap('a');
    const machine = { open: () => Promise.resolve(7), apply: () => [] };
    expect(await outcome(nodes.open('a', { machine }))).toBe('KONTIKI_LOST_DATA');
    await nodes.open('a');
  });

  it('open on a log in use rejects without closing the ports of the running node', async () => {
    await nodes.cluster('a', 'b', 'c');
    const transport = nodes.network.transport();
    const calls: string[] = [];
    transport.close = async () => void calls.push('close');
    expect(await outcome(nodes.open('a', { transport }))).toBe('KONTIKI_LOCKED');
    expect(calls).toEqual([]);
    const leader = nodes.leader as RaftNode<number>;
    expect(await runToOutcome(nodes, leader.propose(bytes('x')))).toMatchObject({ result: 1 });
  });

  it('open closes both stores if the state machine fails to open', async () => {
    await nodes.bootstrap('a');
    const snapshots = new MemorySnapshots();
    const machine = new (class extends SnapshotJournal {
      open(): Promise<number> {
        return Promise.reject(new KontikiError('KONTIKI_MACHINE_FAILED', 'EIO'));
      }
    })();
    expect(await outcome(nodes.open('a', { machine, snapshots }))).toBe('KONTIKI_MACHINE_FAILED');
    await nodes.open('a', { machine: new SnapshotJournal(), snapshots });
  });

  it('a state machine with durable state receives only later commands after restart', async () => {
    await nodes.cluster('a');
    for (const command of ['1', '2', '3']) await runToOutcome(nodes, nodes.get('a').propose(bytes(command)));
    const { applied } = nodes.get('a').status();
    await nodes.get('a').close(atOnce);
    const machine = new (class extends Journal {
      open(): Promise<number> {
        return Promise.resolve(applied - 1);
      }
    })();
    await nodes.open('a', { machine });
    await nodes.clock.until(() => machine.through >= applied);
    expect(machine.commands).toEqual(['3']);
  });
});
