import { expect, it } from 'vitest';
import { silentLogger } from '@kontiki/core';
import { freePort, introduce, type Created, type Started } from './servers.js';

/** Shows how a transport with its own port starts and closes. */
export function testListening(server: Created, started: Started): void {
  it('start rejects with KONTIKI_LISTEN and the cause if the port is in use', async () => {
    const a = await started('a');
    const b = server('b', { listen: { port: a.transport.port as number } });
    await expect(b.start()).rejects.toMatchObject({
      code: 'KONTIKI_LISTEN',
      message: expect.stringMatching(/^Cannot listen on 127\.0\.0\.1 port \d+: another process/),
      cause: expect.objectContaining({ code: 'EADDRINUSE' }),
    });
    await b.transport.close();
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', ''])('a transport does not listen on %j unless insecure is set', (host) => {
    expect(() => server('a', { listen: { port: 0, host } })).toThrow(
      expect.objectContaining({ code: 'KONTIKI_BAD_OPTION', message: expect.stringMatching(/insecure: true/) }),
    );
  });

  it('a transport listens on all interfaces if insecure is set', async () => {
    const [a, b] = [await started('a', { listen: { port: 0, host: '0.0.0.0' }, insecure: true }), await started('b')];
    introduce(a, b);
    await b.reaches(a);
  });

  it.each([
    ['an address without a scheme', { a: 'localhost:7001', b: 'ws://b:7001' }],
    ['two addresses that differ only in their scheme', { a: 'ws://h:7001', b: 'http://h:7001/' }],
  ])('checkAddresses refuses %s', (_, addresses) => {
    const { transport } = server('a');
    expect(() => transport.checkAddresses?.(new Map(Object.entries(addresses)))).toThrow(
      expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }),
    );
  });

  it.each<[string, string, RegExp | undefined]>([
    ['has another port', 'ws://127.0.0.1:1', /listens on 127\.0\.0\.1 port \d+: peers reach it only if/],
    ['is another machine while it listens on this one', 'ws://10.0.0.5:PORT', /other machines cannot reach it/],
    ['fits', 'ws://localhost:PORT', undefined],
  ])('a transport whose own address %s reports that', async (_, address, text) => {
    const lines: string[] = [];
    const logger = { ...silentLogger, warn: (line: string) => void lines.push(line) };
    const port = await freePort();
    const a = server('a', { listen: { port }, logger });
    a.transport.checkAddresses?.(new Map([['a', address.replace('PORT', `${port}`)]]));
    await a.start();
    expect(lines).toEqual(text === undefined ? [] : [expect.stringMatching(text)]);
  });

  it('start rejects if called twice or after close', async () => {
    const a = await started('a');
    await expect(a.start()).rejects.toMatchObject({ code: 'KONTIKI_BAD_OPTION' });
    await a.transport.close();
    await expect(a.start()).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
  });

  it('a transport can be closed before start and during start', async () => {
    const never = server('a');
    await never.transport.close();
    const b = server('b', { listen: { port: 0, host: 'localhost' } });
    const starting = b.start();
    await b.transport.close();
    await expect(starting).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
    expect(b.transport.port).toBeUndefined();
  });
}
