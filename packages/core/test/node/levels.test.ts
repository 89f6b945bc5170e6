// Shows how operators use feature levels. Covers calls that raise the level, refusals of these
// calls, and the status of a server that cannot read its leader's log. See protocol/levels.test.ts
// for the protocol.
import { MemoryLog, membershipOf, type Message, type RaftNode, type Received } from '@kontiki/core';
import { LEVEL } from '@kontiki/core/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bytes, Nodes, runToOutcome } from './harness.js';

const info = (id: string) => [id, { address: `memory:${id}`, metadata: '' }] as const;

let nodes: Nodes;
beforeEach(() => {
  nodes = new Nodes();
});
afterEach(() => nodes.close());

const leader = (): RaftNode<number> => nodes.leader as RaftNode<number>;
const run = (promise: Promise<unknown>): Promise<unknown> => runToOutcome(nodes, promise);

/** Resolves with the code and the message of a call's error. */
async function refusal(call: Promise<unknown>): Promise<string> {
  let text = '';
  const settled = call.catch((error: Error & { code: string }) => (text = `${error.code}: ${error.message}`));
  await run(settled);
  return text;
}

/** Opens a cluster at level 0, as the first version of Kontiki left it. */
async function oldCluster(...ids: string[]): Promise<void> {
  const membership = membershipOf(ids.map(info), [], 0);
  for (const id of ids) {
    const log = new MemoryLog();
    await log.open({ cluster: 'test', server: id });
    await log.append({ entries: [{ kind: 'membership', index: 1, term: 1, membership }], committed: 1 });
    await log.close();
    nodes.logs.set(id, log);
    await nodes.open(id);
  }
  await nodes.clock.until(() => nodes.leader !== undefined);
  await run(leader().propose(bytes('first')));
}

it('a cluster of the first version changes its members after raiseLevel', async () => {
  await oldCluster('a', 'b', 'c');
  expect(await refusal(leader().members.remove('a'))).toMatch(/^KONTIKI_LEVEL: .* is 0.*raise the level/);
  await nodes.clock.elapse(100);
  expect(await run(leader().members.raiseLevel({ expected: 0 }))).toMatchObject({ level: LEVEL, revision: 1 });
  nodes.logs.set('d', new MemoryLog());
  await nodes.open('d');
  expect(await run(leader().members.addVoter('d', 'memory:d'))).toMatchObject({ level: LEVEL, revision: 3 });
  for (const { level } of leader().status().peers) expect(level).toBe(LEVEL);
});

it('a follower at level 0 does not forward proposals, but names the leader', async () => {
  await oldCluster('a', 'b', 'c');
  const [follower] = nodes.followers as [RaftNode<number>];
  const error = await run(follower.propose(bytes('x')).catch((caught: unknown) => caught));
  expect(error).toMatchObject({ code: 'KONTIKI_NOT_LEADER', leader: { id: leader().id } });
});

it('raiseLevel names the members that do not answer', async () => {
  await oldCluster('a', 'b', 'c');
  const [gone] = nodes.followers as [RaftNode<number>];
  await gone.close();
  await nodes.clock.elapse(500);
  expect(await refusal(leader().members.raiseLevel())).toMatch(
    new RegExp(`^KONTIKI_LEVEL: .* ${gone.id} has not answered this leader. .* Nothing was changed.$`),
  );
});

it('raiseLevel is refused at the highest level, with a wrong revision or with force', async () => {
  await nodes.cluster('a', 'b');
  await run(leader().propose(bytes('x')));
  await nodes.clock.elapse(100);
  expect(await refusal(leader().members.raiseLevel())).toContain(
    `KONTIKI_LEVEL: The feature level is ${LEVEL} already`,
  );
  expect(await refusal(leader().members.raiseLevel({ expected: 9 }))).toMatch(/^KONTIKI_REVISION/);
  expect(await refusal(leader().members.raiseLevel({ force: true } as object))).toMatch(/^KONTIKI_BAD_OPTION/);
});

it('a server that cannot read the log reports this, keeps running and votes', async () => {
  await nodes.bootstrap('a', 'b', 'c');
  const errors: string[] = [];
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: (text: string) => void errors.push(text) };
  const node = await nodes.open('a', { logger });
  const leads = nodes.network.transport();
  const received: Received[] = [];
  await leads.start(
    { cluster: 'test', server: 'b', incarnation: 7, genesis: undefined, epoch: undefined },
    (_, message) => {
      received.push(message);
    },
  );
  leads.setPeers(new Map([['a', 'memory:a']]));
  const send = async (message: Message): Promise<void> => {
    leads.send('a', [message]);
    await nodes.clock.elapse(20);
  };
  const entry = {
    kind: 'membership',
    index: 2,
    term: 5,
    membership: { ...membershipOf([info('a')]), level: LEVEL + 1 },
  } as const;
  const append: Message = {
    kind: 'append',
    term: 5,
    incarnation: 7,
    stream: 1,
    prevIndex: 1,
    prevTerm: 1,
    committed: 1,
    entries: [entry],
  };
  await send(append);
  await send(append);
  expect(errors).toEqual([
    expect.stringMatching(/entry 2, which this server cannot read: .*level 3.* Upgrade this server/),
  ]);
  expect(node.status()).toMatchObject({
    role: 'follower',
    last: 1,
    level: LEVEL,
    unreadable: { index: 2, reason: expect.stringContaining('feature level 3'), forMs: expect.any(Number) },
  });
  expect(await refusal(node.read(() => 1, { timeout: 1_000 }))).toMatch(
    /^KONTIKI_TIMEOUT: .*cannot read the log from entry 2 on, and has waited for 1 s.*Upgrade this server/,
  );
  await nodes.clock.elapse(5_000);
  expect(node.status()).toMatchObject({ role: 'follower', term: 5, last: 1 });
  await send({ kind: 'vote', term: 6, incarnation: 7, lastIndex: 2, lastTerm: 5 });
  expect(received.at(-1)).toMatchObject({ kind: 'voteReply', term: 6, granted: true });
  await leads.close();
});
