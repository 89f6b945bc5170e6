import dns from 'node:dns';
import { expect, it, vi } from 'vitest';
import type { ServerId } from '@kontiki/core';
import { after, freePort, type Started, until } from './servers.js';

const limits = { reconnectMinMs: 1, reconnectMaxMs: 20 };

/**
 * Shows which addresses transports dial, both with the option `dial` and with host names that
 * resolve to new addresses.
 */
export function testDialing(started: Started): void {
  it('a transport dials the address that the dial option returns', async () => {
    const b = await started('b');
    const asked: [ServerId, string][] = [];
    const dial = (id: ServerId, address: string): string => {
      asked.push([id, address]);
      return b.address;
    };
    const a = await started('a', { dial });
    a.transport.setPeers(new Map([['b', 'http://inside.example:1']]));
    await a.reaches(b);
    expect(asked).toEqual([['b', 'http://inside.example:1']]);
  });

  it('a transport calls the dial option again for each attempt', async () => {
    const b = await started('b');
    let target = b.address;
    const a = await started('a', { dial: () => target, limits });
    a.transport.setPeers(new Map([['b', 'http://inside.example:1']]));
    await a.reaches(b);
    await b.transport.close();
    const moved = await started('b');
    target = moved.address;
    await a.reaches(moved);
  });

  it.each(['throws', 'returns no address'])(
    'a transport reports an option dial that %s, and tries again',
    async (what) => {
      const b = await started('b');
      let calls = 0;
      const dial = (): string => {
        calls += 1;
        if (calls > 3) return b.address;
        if (what === 'throws') throw new Error('no such container');
        return calls === 1 ? (7 as unknown as string) : 'nonsense';
      };
      const a = await started('a', { dial, limits });
      a.transport.setPeers(new Map([['b', 'http://inside.example:1']]));
      await a.reaches(b);
      const errors = a.lines.filter(({ level }) => level === 'error');
      expect(errors.map(({ text }) => text)).toEqual(['cannot dial b: the option dial has failed']);
      expect(String(errors[0]?.details?.['error'])).toMatch(
        what === 'throws' ? /no such container/ : /dial must return the address to dial as a string, not number/,
      );
    },
  );

  it('a transport refuses a dial option that is not a function', async () => {
    const dial = 'http://127.0.0.1:1' as unknown as () => string;
    await expect(async () => started('a', { dial })).rejects.toMatchObject({
      code: 'KONTIKI_BAD_OPTION',
      message: 'dial must be a function, not string.',
    });
  });

  it('a transport resolves the host name of a peer again for each attempt', async () => {
    const port = await freePort();
    let resolved = '127.0.0.2';
    let lookups = 0;
    const lookup = dns.lookup;
    const answer = (name: string, options: dns.LookupOptions, done: (...results: unknown[]) => void): void => {
      if (name !== 'b.example') return lookup(name, options, done as never);
      lookups += 1;
      const found = { address: resolved, family: 4 };
      if (options.all === true) done(null, [found]);
      else done(null, found.address, found.family);
    };
    const spy = vi.spyOn(dns, 'lookup').mockImplementation(answer as never);
    after(() => spy.mockRestore());
    const a = await started('a', { limits });
    const b = await started('b', { listen: { port, host: '127.0.0.1' } });
    a.transport.setPeers(new Map([['b', `http://b.example:${port}`]]));
    await until(() => lookups > 2, 'attempts at the wrong address');
    resolved = '127.0.0.1';
    await a.reaches(b);
    resolved = '127.0.0.2';
    const moved = await started('b', { listen: { port, host: '127.0.0.2' } });
    await b.transport.close();
    await a.reaches(moved);
  });
}
