import type { Identity, Transport } from '@kontiki/core';
import { append, everyMessage, numbered } from './messages.js';
import { introduce, tickets } from './servers.js';
import { ROUNDS, type TransportTests } from './transport-context.js';

/** Who is reached, who is refused, and when a server changes. */
export function testPeers<T extends Transport>({ expect, test }: TransportTests<T>): void {
  test('connects servers that start at once', async (servers) => {
    await servers.meeting('a', 'b', 'c', 'd');
  });

  test('answers a server whose address it was not told', async (servers) => {
    const [leader, blank] = [await servers.start('leader'), await servers.start('blank')];
    leader.transport.setPeers(new Map([['blank', blank.address]]));
    await servers.reaches(leader, blank);
    await servers.reaches(blank, leader);
  });

  test('drops what is sent to servers that it does not know, before start, and after close', async (servers) => {
    const unused = servers.wire.transport('unused');
    unused.setPeers(new Map([['b', 'nowhere']]));
    unused.send('b', [numbered(1), append(1, 10)]);
    const [a, b] = await servers.meeting('a', 'b');
    const received = b.received.length;
    a.transport.send('nobody', [numbered(2), append(2, 10)]);
    await a.transport.close();
    a.transport.send('b', [numbered(3), append(3, 10)]);
    a.transport.send('nobody', [numbered(4)]);
    a.transport.setPeers(new Map());
    const again = await servers.start('a');
    introduce(again, b);
    await servers.reaches(again, b);
    expect(tickets(b).filter((ticket) => ticket < 10)).toEqual([]);
    expect(b.received.length > received).toEqual(true);
  });

  test('reaches nobody under another’s name', async (servers) => {
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
      await servers.reaches(a, c);
    }
    expect(b.received.length).toEqual(0);
  });

  test('follows a server to its new address, with its new incarnation, and its messages come from it', async (servers) => {
    const [a, b] = await servers.meeting('a', 'b');
    await b.transport.close();
    const moved = await servers.start('b');
    introduce(a, moved);
    await servers.meet(a, moved);
    a.transport.send('b', everyMessage);
    await servers.until(() => moved.received.length >= everyMessage.length);
    const received = b.received.length;
    await servers.meet(a, moved);
    expect(b.received.length).toEqual(received);
  });

  test('lets go of servers that are no peers any more', async (servers) => {
    const [a, b, c] = await servers.meeting('a', 'b', 'c');
    a.transport.setPeers(new Map([['c', c.address]]));
    b.transport.setPeers(new Map([['c', c.address]]));
    let [round, silent] = [0, 0];
    for (; round < 20 * ROUNDS && silent < ROUNDS; round += 1) {
      a.transport.send('b', [numbered(round)]);
      await servers.meet(a, c);
      silent = tickets(b).includes(round) ? 0 : silent + 1;
    }
    expect(silent).toEqual(ROUNDS);
  });

  const strangers: readonly [string, Partial<Identity>, Partial<Identity>][] = [
    ['of another cluster', {}, { cluster: 'other' }],
    ['begun with another list', { genesis: 1 }, { genesis: 2 }],
  ];
  for (const [title, ours, theirs] of strangers) {
    test(`refuses a server ${title}`, async (servers) => {
      const [a, b] = [await servers.start('a', { ...ours }), await servers.start('b', { ...ours })];
      const stranger = await servers.start('stranger', { ...theirs });
      introduce(a, b, stranger);
      for (let round = 0; round < ROUNDS; round += 1) {
        stranger.transport.send('a', [append(1, 10), numbered(round)]);
        a.transport.send('stranger', [append(1, 10), numbered(round)]);
        await servers.meet(a, b);
      }
      expect([stranger.received.length, a.received.some(({ from }) => from === 'stranger')]).toEqual([0, false]);
    });
  }

  test('takes a blank server, which has no first entry yet, and one whose first entry becomes known while it runs', async (servers) => {
    const identity = { genesis: undefined as number | undefined };
    const [a, blank] = [await servers.start('a', { genesis: 5 }), await servers.start('blank', identity)];
    introduce(a, blank);
    await servers.meet(a, blank);
    identity.genesis = 5;
    const c = await servers.start('c', { genesis: 5 });
    introduce(a, blank, c);
    await servers.meet(a, blank, c);
  });
}
