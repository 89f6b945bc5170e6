import type { Transport } from '@kontiki/core';
import { append, numbered } from './messages.js';
import { appends, introduce, tickets } from './servers.js';
import { ROUNDS, type TransportTests } from './transport-context.js';

/** Registers tests for `close`. */
export function testEnd<T extends Transport>({ expect, test }: TransportTests<T>): void {
  test('close resolves during traffic, and no message is received afterward', async (servers) => {
    const [a, b] = await servers.startConnected('a', 'b');
    let index = 0;
    const send = (): void => {
      for (let i = 0; i < 20; i += 1) a.transport.send('b', [numbered((index += 1)), append(index, 10_000)]);
    };
    await servers.until(() => {
      send();
      return appends(b).length > 50;
    });
    send();
    const received = b.received.length;
    const closing = [b.transport.close(), b.transport.close()];
    send();
    await Promise.all(closing);
    await b.transport.close();
    send();
    // Give messages in flight time to arrive.
    const c = await servers.start('c');
    introduce(a, c);
    for (let round = 0; round < ROUNDS; round += 1) await servers.waitConnected(a, c);
    expect(b.received.length).toEqual(received);
  });

  test('closing a transport while it delivers a batch drops the rest of the batch', async (servers) => {
    const [a, b] = await servers.startConnected('a', 'b');
    let closing: Promise<void> | undefined;
    b.onMessage = (message): void => {
      if (message.kind === 'readIndex' && message.ticket === 1) closing = b.transport.close();
    };
    a.transport.send('b', [numbered(1), numbered(2), numbered(3)]);
    await servers.until(() => closing !== undefined);
    await closing;
    expect(tickets(b).filter((ticket) => ticket < 10)).toEqual([1]);
  });

  test('close resolves on a transport that was never started', async (servers) => {
    await servers.wire.transport('a').close();
  });
}
