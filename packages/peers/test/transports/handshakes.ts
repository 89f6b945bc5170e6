import { describe, expect, it } from 'vitest';
import { introduce, numbered, type Started, until } from './servers.js';

/** Who is refused by whom. `renewal`: what is logged where a connection is made anew, for a server that is no longer blank. */
export function testHandshakes(started: Started, renewal?: RegExp): void {
  describe('a handshake is refused, on both sides, when the servers', () => {
    it.each([
      ['belong to different clusters', { cluster: 'c-2' }, /cluster c-2/, /another cluster/],
      ['were begun with different lists', { genesis: 8 }, /another list of servers/, /another list of servers/],
    ])('%s', async (_, identity, atAcceptor, atDialer) => {
      const [a, b] = [await started('a', {}, { genesis: 7 }), await started('b', {}, identity)];
      b.transport.setPeers(new Map([['a', a.address]]));
      b.transport.send('a', [numbered(1)]);
      await until(() => a.logged(atAcceptor) && b.logged(atDialer), 'both lines');
      expect(a.received).toEqual([]);
    });

    it('are not those that were meant', async () => {
      const [a, b] = [await started('a'), await started('b')];
      a.transport.setPeers(new Map([['c', b.address]]));
      a.transport.send('c', [numbered(1)]);
      await until(() => b.logged(/meant to reach c; this is b/) && a.logged(/another server/), 'both lines');
      expect(b.received).toEqual([]);
    });

    it('are one and the same', async () => {
      const a = await started('a');
      a.transport.setPeers(new Map([['b', a.address]]));
      await until(() => a.logged(/has dialed itself/), 'the line');
    });

    it('are two that share an id', async () => {
      const [a, twin] = [await started('a'), await started('a')];
      twin.transport.setPeers(new Map([['b', a.address]]));
      await until(() => a.logged(/Another process runs as a/), 'the line');
    });
  });

  it('a server that was blank drops those of another genesis as soon as it has one', async () => {
    const limits = { pingIntervalMs: 20 };
    const [a, b] = [await started('a', { limits }), await started('b', { limits }, { genesis: 7 })];
    introduce(a, b);
    await a.reaches(b);
    a.identity.genesis = 8;
    await until(() => b.logged(/another list of servers/) || a.logged(/another list of servers/), 'the refusal');
    const before = b.received.length;
    a.transport.send('b', [numbered(3)]);
    await a.transport.close();
    expect(b.received.length).toBe(before);
  });

  it('two blank servers that come to one genesis stay connected', async () => {
    const limits = { pingIntervalMs: 20 };
    const [a, b] = [await started('a', { limits }), await started('b', { limits })];
    introduce(a, b);
    await a.reaches(b);
    a.identity.genesis = 7;
    if (renewal !== undefined) await until(() => a.logged(renewal), 'the renewal');
    await a.reaches(b);
    b.identity.genesis = 7;
    await a.reaches(b);
    await b.reaches(a);
    expect([...a.lines, ...b.lines].some(({ text }) => /another list/.test(text))).toBe(false);
  });
}
