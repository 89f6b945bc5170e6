import type { Transport } from '@kontiki/core';
import { append, everyMessage, LARGEST, numbered, unencodable } from './messages.js';
import { plain } from './plain.js';
import { appends, tickets } from './servers.js';
import type { TransportTests } from './transport-context.js';

/** Registers tests for message delivery. */
export function testDelivery<T extends Transport>({ expect, test }: TransportTests<T>): void {
  test('send delivers messages of every kind unaltered, with the sender id', async (servers) => {
    const [a, b] = await servers.startConnected('a', 'b');
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      to.received.length = 0;
      for (const message of everyMessage) from.transport.send(to.id, [message]);
      from.transport.send(to.id, everyMessage);
      // Messages that `startConnected` has sent may still arrive.
      const arrived = (): typeof to.received => to.received.filter(({ message }) => message.term !== numbered(0).term);
      await servers.until(() => arrived().length >= 2 * everyMessage.length);
      const sorted = (messages: readonly unknown[]): string[] =>
        messages.map((one) => JSON.stringify(plain(one))).sort();
      expect(sorted(arrived().map(({ message }) => message))).toEqual(sorted([...everyMessage, ...everyMessage]));
      expect([...new Set(to.received.map((one) => one.from))]).toEqual([from.id]);
    }
  });

  test('send delivers appends in order', async (servers) => {
    const [a, b] = await servers.startConnected('a', 'b');
    const count = 300;
    for (let index = 1; index <= count; index += 1) {
      a.transport.send('b', [append(index, (index * 37) % 9_000), numbered(index)]);
      // Send 50 messages per event loop turn.
      if (index % 50 === 0) await servers.until(() => appends(b).length === index);
    }
    await servers.until(() => appends(b).length === count);
    expect(appends(b)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  });

  test('send delivers messages of every size up to the largest frame', async (servers) => {
    const [a, b] = await servers.startConnected('a', 'b');
    const sizes = [0, 1, 1_000, 65_535, 65_536, 262_144, 3_000_000, LARGEST, 17];
    for (const [i, size] of sizes.entries()) {
      a.transport.send('b', [append(i + 1, size)]);
      await servers.until(() => appends(b).length === i + 1);
    }
    const got = b.received.filter(({ message }) => message.kind === 'append').map(({ message }) => plain(message));
    expect(got).toEqual(sizes.map((size, i) => plain(append(i + 1, size))));
  });

  test('send splits messages that together exceed the largest frame', async (servers) => {
    const [a, b] = await servers.startConnected('a', 'b');
    a.transport.send('b', [append(1, LARGEST), append(2, 2_000_000), append(3, 10)]);
    await servers.until(() => appends(b).length === 3);
    expect(appends(b)).toEqual([1, 2, 3]);
  });

  test('send drops messages that are too large or cannot be encoded', async (servers) => {
    const [a, b] = await servers.startConnected('a', 'b');
    a.transport.send('b', [append(1, LARGEST + 1)]);
    a.transport.send('b', [unencodable]);
    await servers.waitConnected(a, b);
    expect([appends(b), tickets(b).filter((ticket) => !Number.isInteger(ticket))]).toEqual([[], []]);
  });
}
