import { expect, it } from 'vitest';
import { append, introduce, numbered, type Started, until } from './servers.js';

/** Shows that messages arrive, or that they are dropped and logged. */
export function testDelivery(started: Started): void {
  it('a transport delivers messages in order in both directions', async () => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    await a.reaches(b);
    await b.reaches(a);
    const numbers = Array.from({ length: 2000 }, (_, i) => i);
    for (const n of numbers) a.transport.send('b', [numbered(n)]);
    await until(() => b.tickets.includes(1999), 'the last message');
    // The queue holds 1,024 urgent messages. When the queue is full, it drops the oldest message.
    expect(b.tickets.filter((n) => n < 2000)).toEqual(numbers.slice(-1024));
    expect(new Set(b.received.map(({ from }) => from))).toEqual(new Set(['a']));
  });

  it('a transport drops and logs a message that exceeds the maximum frame size', async () => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    await a.reaches(b);
    a.transport.send('b', [append(1, 4 * 1024 * 1024)]);
    await a.reaches(b);
    expect(a.logged(/exceeds the maximum frame size/)).toBe(true);
    expect(b.received.some(({ message }) => message.kind === 'append')).toBe(false);
  });

  it('a transport keeps messages sent before the first connection is made', async () => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    a.transport.send('b', [numbered(1), append(1, 10)]);
    await until(() => b.received.length === 2, 'both messages');
  });

  it('a transport reconnects to a peer that restarted on the same port', async () => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    await a.reaches(b);
    const port = b.transport.port as number;
    await b.transport.close();
    const again = await started('b', { listen: { port } });
    introduce(a, again);
    await a.reaches(again);
    await again.reaches(a);
  });

  it('a transport logs invalid addresses and still reaches its other peers', async () => {
    const [a, b] = [await started('a'), await started('b')];
    a.transport.setPeers(
      new Map([
        ['x', 'ftp://127.0.0.1:1'],
        ['y', 'nonsense'],
        ['z', 'ws://user:secret@127.0.0.1:1'],
        ['b', b.address],
        ...[
          'ws://127.0.0.1:0',
          'http://127.0.0.1:9',
          'ws://[::]:1',
          'ws://a..b',
          'ws://%41',
          'ws://0',
          `ws://${'x'.repeat(300)}`,
          'wss://127.0.0.1:1',
        ].map((address, i) => [`odd${i}`, address] as const),
      ]),
    );
    await a.reaches(b);
    expect(a.lines.filter(({ level }) => level === 'error').map(({ text }) => text)).toEqual(
      ['x', 'y', 'z', 'odd0', 'odd2', 'odd5'].map(
        (id) => `cannot dial ${id}: its address in the membership is invalid`,
      ),
    );
    expect(JSON.stringify(a.lines.map(({ details }) => String(details?.['error'])))).not.toContain('secret');
  });

  it('a transport drops and logs a message that cannot be encoded', async () => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    await a.reaches(b);
    a.transport.send('b', [numbered(1.5)]);
    await a.reaches(b);
    expect(a.logged(/cannot be encoded/)).toBe(true);
  });
}
