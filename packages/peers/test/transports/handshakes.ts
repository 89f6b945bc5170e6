import { expect, it } from 'vitest';
import { introduce, numbered, type Started, until } from './servers.js';

/**
 * Shows which servers refuse each other. `renewal` matches the log message for a connection that is
 * replaced because a server is no longer blank.
 */
export function testHandshakes(started: Started, renewal?: RegExp): void {
  it.each([
    ['of another cluster', { cluster: 'c-2' }, /cluster c-2/, /another cluster/],
    ['with another list of servers', { genesis: 8 }, /different lists of servers/, /another list of servers/],
    [
      'of a server that a recovery left behind',
      { genesis: 7, epoch: '' },
      /b was left behind when the cluster of a was recovered. Stop b, empty it, and let it join as a new server/,
      /a recovery of the cluster left one of the two behind: empty it, let it join/,
    ],
  ])('both servers refuse a handshake %s', async (_, identity, atAcceptor, atDialer) => {
    const epoch = 'c'.repeat(32);
    const [a, b] = [await started('a', {}, { genesis: 7, epoch }), await started('b', {}, identity)];
    b.transport.setPeers(new Map([['a', a.address]]));
    b.transport.send('a', [numbered(1)]);
    await until(() => a.logged(atAcceptor) && b.logged(atDialer), 'both log lines');
    expect(a.received).toEqual([]);
    // Every refusal is counted.
    expect(Object.values(a.transport.refusals)).toEqual([expect.any(Number)]);
  });

  it('both servers refuse a handshake that reached the wrong server', async () => {
    const [a, b] = [await started('a'), await started('b')];
    a.transport.setPeers(new Map([['c', b.address]]));
    a.transport.send('c', [numbered(1)]);
    await until(() => b.logged(/tried to reach c, but this is b/) && a.logged(/another server/), 'both log lines');
    expect(b.received).toEqual([]);
  });

  it('a server refuses its own handshake', async () => {
    const a = await started('a');
    a.transport.setPeers(new Map([['b', a.address]]));
    await until(() => a.logged(/dialed itself/), 'the log line');
  });

  it('a server refuses another process with the same id', async () => {
    const [a, twin] = [await started('a'), await started('a')];
    twin.transport.setPeers(new Map([['b', a.address]]));
    await until(() => a.logged(/Another process runs as a/), 'the log line');
  });

  it('a server that learns its genesis drops a peer with another genesis', async () => {
    const limits = { pingIntervalMs: 20 };
    const [a, b] = [await started('a', { limits }), await started('b', { limits }, { genesis: 7 })];
    introduce(a, b);
    await a.reaches(b);
    a.identity.genesis = 8;
    const refusal = /(another list|different lists) of servers/;
    await until(() => [a, b].some((server) => server.logged(refusal)), 'the refusal');
    const before = b.received.length;
    a.transport.send('b', [numbered(3)]);
    await a.transport.close();
    expect(b.received.length).toBe(before);
  });

  it('two blank servers that learn the same genesis stay connected', async () => {
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
    expect([...a.lines, ...b.lines].some(({ text }) => /(another list|different lists) of servers/.test(text))).toBe(
      false,
    );
  });
}
