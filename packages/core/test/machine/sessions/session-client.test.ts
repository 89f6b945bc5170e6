// Shows how a client of sessions reacts to each outcome of an attempt. The node is scripted.
import { KontikiError, SessionClient, type Applied, type ErrorCode, type ProposeOptions } from '@kontiki/core';
import { VirtualClock } from '@kontiki/testing';
import { expect, it } from 'vitest';
import { decodeSessionRecord } from '../../../src/machine/sessions/record.js';
import { refusal } from '../../../src/machine/sessions/session-machine.js';
import { outcome } from '../../node/harness.js';

type Answer = 'done' | 'ended' | ErrorCode;

/** A node that answers each attempt of a command as the script says. Opening a session succeeds. */
class ScriptedNode {
  level = 2;
  /** The attempts so far, as session and sequence number. */
  readonly attempts: [session: number, sequence: number][] = [];
  /** The timeouts of the attempts in milliseconds. */
  readonly timeouts: (number | undefined)[] = [];
  readonly #script: Answer[];

  constructor(...script: Answer[]) {
    this.#script = script;
  }

  /** Called before each attempt is answered. */
  onAttempt: () => Promise<void> = () => Promise.resolve();
  /** The result of a command. */
  result: unknown = 'result';

  async propose(data: Uint8Array, { timeout }: ProposeOptions): Promise<Applied<any>> {
    const record = decodeSessionRecord(data);
    if (record?.kind !== 'call') return this.#done('opened');
    this.attempts.push([record.session, record.sequence]);
    this.timeouts.push(timeout);
    const answer = this.#script.shift() ?? 'done';
    await this.onAttempt();
    if (answer === 'done') return this.#done(this.result);
    if (answer === 'ended') return this.#done(refusal(new KontikiError('KONTIKI_SESSION', 'ended')));
    return Promise.reject(new KontikiError(answer, 'scripted'));
  }

  #done<T>(result: T): Promise<Applied<T>> {
    return Promise.resolve({ index: 1, term: 1, result });
  }
}

function client(node: ScriptedNode): SessionClient<string> {
  let drawn = 0;
  return new SessionClient({ node, random: () => (drawn += 0.001), clock });
}

const clock = new VirtualClock();
const command = Uint8Array.of(1);

it('a command without an outcome is repeated with the same session and number', async () => {
  const node = new ScriptedNode('KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_TIMEOUT', 'KONTIKI_REPLACED', 'done');
  expect((await client(node).propose(command)).result).toBe('result');
  expect(node.attempts).toHaveLength(4);
  expect(new Set(node.attempts.map(String)).size).toBe(1);
});

it('each retry waits twice as long as the one before, so that retries do not flood the cluster', async () => {
  const node = new ScriptedNode(...Array<Answer>(4).fill('KONTIKI_UNKNOWN_OUTCOME'));
  await client(node).propose(command);
  expect(node.timeouts).toEqual([1_000, 2_000, 4_000, 8_000, 10_000]);
});

it('a command whose only attempt finds that the session has ended continues under a new session', async () => {
  const node = new ScriptedNode('ended', 'done');
  expect((await client(node).propose(command)).result).toBe('result');
  expect(new Set(node.attempts.map(([session]) => session)).size).toBe(2);
});

it('a command with an earlier attempt of unknown outcome does not continue under a new session', async () => {
  const node = new ScriptedNode('KONTIKI_UNKNOWN_OUTCOME', 'ended', 'done');
  expect(await outcome(client(node).propose(command))).toBe('KONTIKI_UNKNOWN_OUTCOME');
  expect(node.attempts).toHaveLength(2);
});

it('a refusal that may pass rejects a first attempt, but is waited out after an attempt of unknown outcome', async () => {
  const node = new ScriptedNode('KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_OVERLOADED', 'KONTIKI_TRANSFERRING', 'done');
  const proposed = client(node).propose(command);
  await clock.until(() => node.attempts.length === 4);
  expect((await proposed).result).toBe('result');
  expect(await outcome(client(new ScriptedNode('KONTIKI_OVERLOADED')).propose(command))).toBe('KONTIKI_OVERLOADED');
});

it('a refusal that does not pass leaves the outcome of an earlier attempt unknown', async () => {
  const node = new ScriptedNode('KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_CLOSED');
  expect(await outcome(client(node).propose(command))).toBe('KONTIKI_UNKNOWN_OUTCOME');
});

it('sessions that end at once do not keep a command past its deadline', async () => {
  const node = new ScriptedNode(...Array<Answer>(50).fill('ended'));
  node.onAttempt = () => clock.elapse(20);
  expect(await outcome(client(node).propose(command, { timeout: 100 }))).toBe('KONTIKI_TIMEOUT');
  expect(node.attempts.length).toBeLessThan(10);
});

it('a result of the application that looks like a refusal is a result', async () => {
  const node = new ScriptedNode();
  node.result = { refused: true, error: new KontikiError('KONTIKI_SESSION', 'of the application') };
  expect((await client(node).propose(command)).result).toBe(node.result);
});

it('below level 2, a command that begins like a session record is refused', async () => {
  const node = new ScriptedNode();
  node.level = 1;
  expect(await outcome(client(node).propose(Uint8Array.of(0xfa, 1)))).toBe('KONTIKI_LEVEL');
});

it('a command whose memory was transferred is refused', async () => {
  const transferred = new Uint8Array(8);
  structuredClone(transferred, { transfer: [transferred.buffer] });
  expect(await outcome(client(new ScriptedNode()).propose(transferred))).toBe('KONTIKI_BAD_OPTION');
});

it('a command is proposed without a session if the caller or the feature level says so', async () => {
  const node = new ScriptedNode();
  await client(node).propose(command, { session: false });
  node.level = 1;
  await client(node).propose(command);
  expect(await outcome(client(node).openSession())).toBe('KONTIKI_LEVEL');
  const session = { session: 1, sequence: 1, settled: 0 };
  expect(await outcome(client(node).propose(command, { session }))).toBe('KONTIKI_LEVEL');
  expect(node.attempts).toEqual([]);
});

it.each([
  ['session', { session: 7 }],
  ['session', { session: { session: 1, sequence: 1, settled: 1 } }],
  ['session', { session: { session: -1, sequence: 1, settled: 0 } }],
  ['timeout', { timeout: '5' }],
  ['signl', { signl: 1 }],
  ['options', null],
])('an invalid option %s is refused: %j', async (name, options) => {
  const refused = client(new ScriptedNode()).propose(command, options as never);
  await expect(refused).rejects.toMatchObject({ code: 'KONTIKI_BAD_OPTION', message: expect.stringContaining(name) });
});

it.each([
  ['retryms', { retryms: 5 }],
  ['retryMs', { retryMs: 0 }],
  ['ttl', { limits: { ttl: Infinity } }],
  ['session', { limits: { session: 1 } }],
])('an invalid option %s of the client is refused: %j', (name, options) => {
  const create = (): unknown => new SessionClient({ node: new ScriptedNode(), ...(options as object) });
  expect(create).toThrow(
    expect.objectContaining({ code: 'KONTIKI_BAD_OPTION', message: expect.stringContaining(name) }),
  );
});

it('a command that is no Uint8Array is refused', async () => {
  expect(await outcome(client(new ScriptedNode()).propose('x' as never))).toBe('KONTIKI_BAD_OPTION');
});
