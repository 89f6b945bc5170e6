// Shows that errors, the status and events explain why a node has stopped, or what a waiting call
// is waiting for.
import { describe, expect, it } from 'vitest';
import { KontikiError, type MemoryLog, type RaftNode, type Status } from '@kontiki/core';
import { atOnce, bytes, runToOutcome } from './harness.js';
import { cluster, nodes, open } from './snapshot-harness.js';

describe('explanations', () => {
  it('a failed node reports the cause to callers, in its status and in its state event', async () => {
    const a = await cluster(['a']);
    const cause = new KontikiError('KONTIKI_STORE_FAILED', 'The disk is gone.');
    (nodes.logs.get('a') as MemoryLog).append = () => Promise.reject(cause);
    const states: unknown[] = [];
    a.on('state', (event) => states.push(event));
    const fatal = a.once('fatal');
    const read = a.read(() => 1);
    const waiting = runSettled([a.once('full')]);
    const [proposed] = await runSettled([a.propose(bytes('x'))]);
    expect(proposed).toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME', cause });
    expect(await fatal).toEqual({ error: cause });
    expect(states).toEqual([{ role: 'failed', previous: 'leader', error: cause }]);
    expect(a.status()).toMatchObject({ role: 'failed', error: cause, leader: undefined });
    expect(a.leader).toBe(undefined);
    const later = [a.propose(bytes('y')), a.read(() => 1), a.snapshot(), a.waitForLeader(), a.once('full')];
    const transport = nodes.network.transport();
    for (const error of [...(await waiting), ...(await runSettled([...later, a.setTransport(transport)]))]) {
      expect(error).toMatchObject({
        code: 'KONTIKI_CLOSED',
        cause,
        message: expect.stringContaining('The disk is gone.'),
      });
    }
    expect(await read).toBe(1);
  });

  it('the status of a failed node keeps its members and its error in JSON', async () => {
    const a = await cluster(['a']);
    const cause = new KontikiError('KONTIKI_STORE_FAILED', 'The disk is gone.');
    (nodes.logs.get('a') as MemoryLog).append = () => Promise.reject(cause);
    const fatal = a.once('fatal');
    void runSettled([a.propose(bytes('x'))]);
    await fatal;
    const { membership } = a.status();
    expect(JSON.parse(JSON.stringify({ ...a.status() }))).toMatchObject({
      membership: { voters: ['a'], servers: Object.fromEntries(membership?.servers ?? []) },
      error: { name: 'KontikiError', code: 'KONTIKI_STORE_FAILED', message: 'The disk is gone.' },
    });
    expect(membership?.servers.size).toBe(1);
  });

  it('a closed node emits a state event without an error and rejects calls', async () => {
    const a = await cluster(['a']);
    const states: Status['role'][] = [];
    a.on('state', ({ role }) => states.push(role));
    await a.close(atOnce);
    expect(states).toEqual(['closed']);
    expect(a.status()).toMatchObject({ role: 'closed', error: undefined });
    const [error] = await runSettled([a.read(() => 1)]);
    expect(error).toMatchObject({ code: 'KONTIKI_CLOSED', message: 'Node a was closed.' });
  });

  it('a call that finds no leader reports how many peers have sent messages', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    nodes.network.cut('a', 'b');
    const read = a.read(() => 1, { timeout: 8_000 });
    const [alone] = await runSettled([read]);
    const silent = 'Server a has known no leader for 8 s, and has received messages from 0 of 2 peers in that time.';
    expect(alone).toMatchObject({ code: 'KONTIKI_TIMEOUT', message: expect.stringContaining(silent) });
    const [refused] = await runSettled([a.propose(bytes('x'), { forward: false })]);
    expect(refused).toMatchObject({ code: 'KONTIKI_NOT_LEADER', message: expect.stringContaining(silent) });
    await open('b');
    nodes.network.cut('a', 'b');
    const [heard] = await runSettled([a.waitForLeader({ timeout: 2_000 })]);
    expect(heard).toMatchObject({ message: expect.stringContaining('from 1 of 2 peers') });
  });

  it('a call on a server without a log reports that it was never bootstrapped', async () => {
    const a = await open('a');
    for (const error of await runSettled([a.read(() => 1), a.propose(bytes('x')), a.waitForLeader()]))
      expect(error).toMatchObject({
        message: expect.stringMatching(/no log .*never bootstrapped, or it has lost its disk/),
      });
  });

  it('a call on a removed server reports that the server is not a member', async () => {
    await nodes.cluster('a', 'b', 'c');
    const [removed] = nodes.followers as [RaftNode<number>];
    await runToOutcome(nodes, (nodes.leader as RaftNode<number>).members.remove(removed.id));
    await nodes.clock.until(() => removed.leader === undefined);
    for (const error of await runSettled([removed.read(() => 1), removed.propose(bytes('x'))]))
      expect(error).toMatchObject({ message: expect.stringMatching(/is no member: .* If it was removed, stop it/) });
  });

  it('a read that times out waiting for the state machine reports its progress', async () => {
    await nodes.bootstrap('a');
    const hung = new Promise<number[]>(() => {});
    const a: RaftNode<number> = await nodes.open('a', {
      machine: { apply: ({ entries }) => (entries.length === 0 ? [] : hung) },
    });
    await nodes.clock.until(() => a.isLeader);
    const proposed = a.propose(bytes('x'), { timeout: 1_000 });
    await nodes.clock.elapse(100);
    const errors = await runSettled([proposed, a.read(() => 1, { timeout: 500 })]);
    expect(errors[1]).toMatchObject({
      message: expect.stringContaining('Entries up to 3 are committed, and up to 2 are applied on server a.'),
    });
    expect(await runToOutcome(nodes, a.close(atOnce))).toBe('KONTIKI_TIMEOUT');
    nodes.nodes.delete('a');
  });
});

/** Advances virtual time until all promises have settled. Returns their errors. */
async function runSettled(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  const errors = promises.map((promise) =>
    promise.then(
      () => 'no error',
      (error: unknown) => error,
    ),
  );
  await runToOutcome(nodes, Promise.all(errors));
  return Promise.all(errors);
}
