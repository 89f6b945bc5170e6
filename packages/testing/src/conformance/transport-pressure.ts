import type { Transport } from '@kontiki/core';
import { append, numbered } from './messages.js';
import { appends, introduce, type Server, type Servers } from './servers.js';
import type { TransportTests } from './transport-context.js';

/** Appends of 200 KiB that are sent to a peer that takes none: 80 MB. */
const FLOOD = 400;
const BYTES = 200 * 1024;

/** What is sent to those who take nothing. What arrives later shows how much was kept. */
export function testPressure<T extends Transport>({ expect, test, testHold }: TransportTests<T>): void {
  test('keeps little for a peer that is not there', async (servers) => {
    const [a, b, c] = await servers.meeting('a', 'b', 'c');
    await b.transport.close();
    await flood(servers, a, c);
    const again = await servers.start('b');
    introduce(a, again, c);
    await servers.meet(a, again);
    expect(appends(again).length < FLOOD / 2).toEqual(true);
  });

  const title = 'keeps little for a peer that does not read, reaches others meanwhile, and it again once it reads';
  testHold(title, async (servers, hold) => {
    const [a, b, c] = await servers.meeting('a', 'b', 'c');
    hold('b', true);
    await flood(servers, a, c);
    hold('b', false);
    await servers.meet(a, b);
    const indices = appends(b);
    expect(indices.length < FLOOD / 2).toEqual(true);
    expect(indices).toEqual([...indices].sort((x, y) => x - y));
  });
}

/** Sends b more than may be kept, while a and c go on hearing from each other. */
async function flood<T extends Transport>(servers: Servers<T>, a: Server<T>, c: Server<T>): Promise<void> {
  for (let index = 1; index <= FLOOD; index += 1) {
    a.transport.send('b', [append(index, BYTES), numbered(index)]);
    if (index % 20 === 0) await servers.meet(a, c);
  }
}
