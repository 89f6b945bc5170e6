import type { Transport } from '@kontiki/core';
import { append, numbered } from './messages.js';
import { appends, introduce, type Server, type Servers } from './servers.js';
import type { TransportTests } from './transport-context.js';

/** Number of appends of 200 KiB to send to a peer that does not read: 80 MB in all. */
const FLOOD = 400;
const BYTES = 200 * 1024;

/**
 * Registers tests that send to a peer that has stopped reading. When the peer reads again, the
 * messages that arrive show how many the transport had queued.
 */
export function testPressure<T extends Transport>({ expect, test, testHold }: TransportTests<T>): void {
  test('send bounds the queue for a peer that is down', async (servers) => {
    const [a, b, c] = await servers.startConnected('a', 'b', 'c');
    await b.transport.close();
    await flood(servers, a, c);
    const restarted = await servers.start('b');
    introduce(a, restarted, c);
    await servers.waitConnected(a, restarted);
    expect(appends(restarted).length < FLOOD / 2).toEqual(true);
  });

  const title = 'send queues little for a stalled peer and still reaches others';
  testHold(title, async (servers, hold) => {
    const [a, b, c] = await servers.startConnected('a', 'b', 'c');
    hold('b', true);
    await flood(servers, a, c);
    hold('b', false);
    await servers.waitConnected(a, b);
    const indices = appends(b);
    expect(indices.length < FLOOD / 2).toEqual(true);
    expect(indices).toEqual([...indices].sort((x, y) => x - y));
  });
}

/**
 * Sends more data to server `b` than a transport may queue. Then checks that the servers `a` and
 * `c` still reach each other.
 */
async function flood<T extends Transport>(servers: Servers<T>, a: Server<T>, c: Server<T>): Promise<void> {
  for (let index = 1; index <= FLOOD; index += 1) {
    a.transport.send('b', [append(index, BYTES), numbered(index)]);
    if (index % 20 === 0) await servers.waitConnected(a, c);
  }
}
