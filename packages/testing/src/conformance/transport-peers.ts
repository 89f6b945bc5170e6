import type { Identity, Transport } from '@kontiki/core';
import { append, everyMessage, numbered } from './messages.js';
import { introduce, tickets } from './servers.js';
import { ROUNDS, type TransportTests } from './transport-context.js';

/** The epoch of a recovered cluster. */
const RECOVERED = 'c'.repeat(32);

/** Registers tests for peers that are reachable, refused, moved or restarted. */
export function testPeers<T extends Transport>({ expect, test }: TransportTests<T>): void {
  test('servers that start at the same time connect', async (servers) => {
    await servers.startConnected('a', 'b', 'c', 'd');
  });

  test('a server answers a peer whose address it does not know', async (servers) => {
    const [leader, blank] = [await servers.start('leader'), await servers.start('blank')];
    leader.transport.setPeers(new Map([['blank', blank.address]]));
    await servers.waitReached(leader, blank);
    await servers.waitReached(blank, leader);
  });

  test('send drops messages to unknown servers, before start and after close', async (servers) => {
    const unused = servers.wire.transport('unused');
    unused.setPeers(new Map([['b', 'nowhere']]));
    unused.send('b', [numbered(1), append(1, 10)]);
    const [a, b] = await servers.startConnected('a', 'b');
    const received = b.received.length;
    a.transport.send('nobody', [numbered(2), append(2, 10)]);
    await a.transport.close();
    a.transport.send('b', [numbered(3), append(3, 10)]);
    a.transport.send('nobody', [numbered(4)]);
    a.transport.setPeers(new Map());
    const restarted = await servers.start('a');
    introduce(restarted, b);
    await servers.waitReached(restarted, b);
    expect(tickets(b).filter((ticket) => ticket < 10)).toEqual([]);
    expect(b.received.length > received).toEqual(true);
  });

  test('a message is not delivered to a server with a different id', async (servers) => {
    const [a, b] = [await servers.start('a'), await servers.start('b')];
    const c = await servers.start('c');
    a.transport.setPeers(
      new Map([
        ['x', b.address],
        ['c', c.address],
      ]),
    );
    for (let round = 0; round < ROUNDS; round += 1) {
      a.transport.send('x', [numbered(round)]);
      await servers.waitReached(a, c);
    }
    expect(b.received.length).toEqual(0);
  });

  test('a transport follows a server to its new address and incarnation', async (servers) => {
    const [a, b] = await servers.startConnected('a', 'b');
    await b.transport.close();
    const moved = await servers.start('b');
    introduce(a, moved);
    await servers.waitConnected(a, moved);
    a.transport.send('b', everyMessage);
    await servers.until(() => moved.received.length >= everyMessage.length);
    const received = b.received.length;
    await servers.waitConnected(a, moved);
    expect(b.received.length).toEqual(received);
  });

  test('a transport disconnects from servers that are no longer peers', async (servers) => {
    const [a, b, c] = await servers.startConnected('a', 'b', 'c');
    a.transport.setPeers(new Map([['c', c.address]]));
    b.transport.setPeers(new Map([['c', c.address]]));
    let [round, silent] = [0, 0];
    for (; round < 20 * ROUNDS && silent < ROUNDS; round += 1) {
      a.transport.send('b', [numbered(round)]);
      await servers.waitConnected(a, c);
      silent = tickets(b).includes(round) ? 0 : silent + 1;
    }
    expect(silent).toEqual(ROUNDS);
  });

  const refused: readonly [string, Partial<Identity>, Partial<Identity>][] = [
    ['of another cluster', {}, { cluster: 'other' }],
    ['bootstrapped with a different membership', { genesis: 1 }, { genesis: 2 }],
    ['left behind by a recovery', { genesis: 1, epoch: RECOVERED }, { genesis: 1, epoch: '' }],
    ['recovered separately', { genesis: 1, epoch: RECOVERED }, { genesis: 1, epoch: 'd'.repeat(32) }],
  ];
  for (const [title, ours, theirs] of refused) {
    test(`a transport refuses a server ${title}`, async (servers) => {
      const [a, b] = [await servers.start('a', { ...ours }), await servers.start('b', { ...ours })];
      const foreign = await servers.start('foreign', { ...theirs });
      introduce(a, b, foreign);
      for (let round = 0; round < ROUNDS; round += 1) {
        foreign.transport.send('a', [append(1, 10), numbered(round)]);
        a.transport.send('foreign', [append(1, 10), numbered(round)]);
        await servers.waitConnected(a, b);
      }
      expect([foreign.received.length, a.received.some(({ from }) => from === 'foreign')]).toEqual([0, false]);
    });
  }

  test('a transport accepts a blank server, even after its genesis becomes known', async (servers) => {
    const identity = { genesis: undefined as number | undefined };
    const [a, blank] = [await servers.start('a', { genesis: 5 }), await servers.start('blank', identity)];
    introduce(a, blank);
    await servers.waitConnected(a, blank);
    identity.genesis = 5;
    const c = await servers.start('c', { genesis: 5 });
    introduce(a, blank, c);
    await servers.waitConnected(a, blank, c);
  });

  test('a transport accepts a new server of no epoch, even after its epoch becomes known', async (servers) => {
    const identity = { genesis: 5, epoch: undefined as string | undefined };
    const [a, joining] = [
      await servers.start('a', { genesis: 5, epoch: RECOVERED }),
      await servers.start('b', identity),
    ];
    introduce(a, joining);
    await servers.waitConnected(a, joining);
    identity.epoch = RECOVERED;
    const c = await servers.start('c', { genesis: 5, epoch: RECOVERED });
    introduce(a, joining, c);
    await servers.waitConnected(a, joining, c);
  });
}
