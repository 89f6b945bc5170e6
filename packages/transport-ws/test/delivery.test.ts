import { expect, it } from 'vitest';
import { after, append, introduce, numbered, started, TestServer, until } from './servers.js';

it('delivers both ways, in order', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  await a.reaches(b);
  await b.reaches(a);
  const numbers = Array.from({ length: 2000 }, (_, i) => i);
  for (const n of numbers) a.transport.send('b', [numbered(n)]);
  await until(() => b.tickets.includes(1999), 'the last message');
  // More than a thousand urgent messages in one turn: the oldest made way.
  expect(b.tickets.filter((n) => n < 2000)).toEqual(numbers.slice(-1024));
  expect(new Set(b.received.map(({ from }) => from))).toEqual(new Set(['a']));
});

it('delivers entries byte for byte, however large', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  await a.reaches(b);
  const sizes = [0, 1, 1000, 65_000, 262_144, 3_000_000, 17];
  sizes.forEach((size, i) => a.transport.send('b', [append(i + 1, size)]));
  await until(
    () => b.received.filter(({ message }) => message.kind === 'append').length === sizes.length,
    'the appends',
  );
  const got = b.received.flatMap(({ message }) => (message.kind === 'append' ? [message] : []));
  expect(got.map((m) => m.prevIndex)).toEqual(sizes.map((_, i) => i));
  expect(got.map((m) => m.entries[0]?.kind === 'command' && m.entries[0].data.length)).toEqual(sizes);
});

it('drops what is larger than any frame, says so, and goes on', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  await a.reaches(b);
  a.transport.send('b', [append(1, 4 * 1024 * 1024)]);
  await a.reaches(b);
  expect(a.logged(/larger than any frame/)).toBe(true);
  expect(b.received.some(({ message }) => message.kind === 'append')).toBe(false);
});

it('connects three servers that start at once', async () => {
  const servers = ['a', 'b', 'c'].map((id) => new TestServer(id));
  await Promise.all(servers.map((server) => server.start()));
  introduce(...servers);
  await Promise.all(servers.flatMap((x) => servers.filter((y) => y !== x).map((y) => x.reaches(y))));
});

it('answers a server whose address it does not know', async () => {
  const [leader, blank] = [await started('leader'), await started('blank')];
  leader.transport.setPeers(new Map([['blank', blank.address]]));
  await leader.reaches(blank);
  await blank.reaches(leader);
});

it('drops messages to servers it does not know, and before start and after close', async () => {
  const a = new TestServer('a');
  a.transport.send('b', [numbered(1)]);
  await a.start();
  a.transport.send('nobody', [numbered(1)]);
  await a.transport.close();
  a.transport.send('b', [numbered(1)]);
});

it('keeps what is sent while the first connection is made', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  a.transport.send('b', [numbered(1), append(1, 10)]);
  await until(() => b.received.length === 2, 'both messages');
});

it('finds a peer again that has restarted', async () => {
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

it('dials the new address when a peer has moved, and lets go of one that was removed', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  await a.reaches(b);
  await b.transport.close();
  const moved = await started('b');
  introduce(a, moved);
  await a.reaches(moved);
  await moved.reaches(a);
  a.transport.setPeers(new Map());
  moved.transport.setPeers(new Map());
  await until(() => moved.logged(/a has ended its connection/), 'the end of the connection');
  const before = moved.received.length;
  a.transport.send('b', [numbered(5)]);
  const third = await started('c');
  introduce(a, third);
  await a.reaches(third);
  expect(moved.received.length).toBe(before);
});

it('logs an address it cannot dial, and lives on', async () => {
  const [a, b] = [await started('a'), await started('b')];
  a.transport.setPeers(
    new Map([
      ['x', 'http://127.0.0.1:1'],
      ['y', 'nonsense'],
      ['z', 'ws://user:secret@127.0.0.1:1'],
      ['b', b.address],
      ...[
        'ws://127.0.0.1:0',
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
  expect(a.lines.filter(({ level }) => level === 'error').map(({ text }) => text)).toEqual([
    'cannot dial x',
    'cannot dial y',
    'cannot dial z',
  ]);
  expect(JSON.stringify(a.lines.map(({ details }) => String(details?.['error'])))).not.toContain('secret');
});

it('drops a message that cannot be encoded, and says so', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  await a.reaches(b);
  a.transport.send('b', [numbered(1.5)]);
  await a.reaches(b);
  expect(a.logged(/cannot be encoded/)).toBe(true);
});

it('closes at once in the middle of work, twice if asked, and nothing is received after', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  await a.reaches(b);
  const sending = setInterval(() => {
    for (let i = 1; i < 20; i += 1) a.transport.send('b', [numbered(i), append(i, 10_000)]);
  }, 1);
  after(() => clearInterval(sending));
  await until(() => b.received.length > 100, 'some messages');
  const closing = b.transport.close();
  const received = b.received.length;
  expect(b.transport.close()).toBe(closing);
  await closing;
  await a.transport.close();
  expect(b.received.length).toBe(received);
});

it('receives nothing of a batch after the receiver has closed the transport', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  await a.reaches(b);
  b.on('received', (message) => {
    if (message.kind === 'readIndex' && message.ticket === 1) void b.transport.close();
  });
  a.transport.send('b', [numbered(1), numbered(2), numbered(3)]);
  await until(() => b.tickets.includes(1), 'the first message');
  await b.transport.close();
  expect(b.tickets.filter((n) => n < 10)).toEqual([1]);
});
