import { createConnection } from 'node:net';
import { expect, it } from 'vitest';
import { helloHeaders } from '@kontiki/peers';
import { testLinks } from '../../peers/test/transports/links.js';
import { after, append, heldBytes, introduce, started, until } from './servers.js';

const KiB = 1024;
const MiB = 1024 * KiB;

testLinks(started, { connections: 1, ping: 10 });

it('a client that connects but never reads uses bounded memory', async () => {
  const [a, b] = [await started('a', { limits: { queueBytes: MiB, pingIntervalMs: 60_000 } }), await started('b')];
  introduce(a, b);
  const socket = createConnection(a.transport.port as number, '127.0.0.1');
  after(() => socket.destroy());
  const hello = helloHeaders(
    { cluster: 'c-1', server: 'x', incarnation: 9, genesis: undefined, epoch: undefined },
    'a',
  );
  const lines = [
    'GET / HTTP/1.1',
    'Host: a',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: kontiki.1',
    ...Object.entries(hello).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.pause();
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  await b.reaches(a);
  const before = heldBytes();
  let index = 1;
  await until(() => {
    for (let i = 0; i < 10; i += 1) a.transport.send('x', [append(index++, 200 * KiB)]);
    return a.logged(/dropped a message to x: the queue/);
  }, 'the queue to be full');
  for (let i = 0; i < 100; i += 1) a.transport.send('x', [append(index++, 200 * KiB)]);
  expect(heldBytes() - before).toBeLessThan(16 * MiB);
  await b.reaches(a);
  await a.reaches(b);
});
