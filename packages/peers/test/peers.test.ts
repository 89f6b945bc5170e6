import { describe, expect, it } from 'vitest';
import type { Identity, Logger, Message } from '@kontiki/core';
import {
  Backoff,
  Complaints,
  helloHeaders,
  isLoopback,
  OutgoingQueue,
  peerUrl,
  readHello,
  refuseHello,
  refuseOpenListening,
} from '@kontiki/peers';

const a: Identity = { cluster: 'test', server: 'a', incarnation: 5, origin: 9 };
const b: Identity = { cluster: 'test', server: 'b', incarnation: 6, origin: 9 };

describe('the handshake', () => {
  it('tells cluster, both servers, incarnation and origin', () => {
    expect(readHello(helloHeaders(a, 'b'))).toEqual({ cluster: 'test', from: 'a', to: 'b', incarnation: 5, origin: 9 });
    expect(readHello(helloHeaders({ ...a, origin: undefined }, 'b'))?.origin).toBe(undefined);
    expect(refuseHello(b, readHello(helloHeaders(a, 'b')))).toBe(undefined);
    expect(refuseHello(b, readHello(helloHeaders({ ...a, origin: undefined }, 'b')))).toBe(undefined);
  });

  it('refuses another cluster, another receiver, a server of the own name, another origin', () => {
    expect(refuseHello(b, readHello(helloHeaders({ ...a, cluster: 'other' }, 'b')))).toContain('cluster other');
    expect(refuseHello(b, readHello(helloHeaders(a, 'c')))).toContain('wants server c');
    expect(refuseHello(a, readHello(helloHeaders(a, 'a')))).toContain('share an id');
    expect(refuseHello(b, readHello(helloHeaders({ ...a, origin: 8 }, 'b')))).toContain('another list');
  });

  it.each([
    [{ 'kontiki-cluster': undefined }],
    [{ 'kontiki-from': 'a b' }],
    [{ 'kontiki-from': 'x'.repeat(65) }],
    [{ 'kontiki-incarnation': '0' }],
    [{ 'kontiki-incarnation': '9007199254740992' }],
    [{ 'kontiki-incarnation': '1.5' }],
    [{ 'kontiki-incarnation': '-1' }],
    [{ 'kontiki-origin': 'x' }],
    [{ 'kontiki-origin': '4294967296' }],
    [{ 'kontiki-to': ['b', 'c'] }],
  ])('%o is no handshake', (headers) => {
    expect(readHello({ ...helloHeaders(a, 'b'), ...headers })).toBe(undefined);
    expect(refuseHello(b, undefined)).toContain('introduce');
  });
});

describe('addresses', () => {
  it.each(['', 'nonsense', 'http://a', 'ws://u:p@a', 'ws://a/?x', 'ws://a/#x', '//a'])(
    '%j is refused with what to do',
    (address) => {
      expect(() => peerUrl(address, ['ws:', 'wss:'])).toThrow(
        expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }) as Error,
      );
    },
  );

  it('of this machine are told from others', () => {
    expect(['127.0.0.1', '127.8.8.8', '::1', 'localhost', '::ffff:127.0.0.1'].map(isLoopback)).toEqual([
      true,
      true,
      true,
      true,
      true,
    ]);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.example.com', ''].map(isLoopback)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
    expect(() => refuseOpenListening('0.0.0.0', false)).toThrow(/insecure: true/);
    refuseOpenListening('0.0.0.0', true);
  });
});

describe('what waits to leave', () => {
  const append = (index: number, bytes: number): Message => ({
    kind: 'append',
    term: 1,
    incarnation: 1,
    session: 1,
    prevIndex: index,
    prevTerm: 1,
    committed: 0,
    entries: [{ kind: 'command', index: index + 1, term: 1, data: new Uint8Array(bytes) }],
  });
  const beat = (round: number): Message => ({
    kind: 'heartbeat',
    term: 1,
    incarnation: 1,
    session: 1,
    round,
    committed: 0,
  });
  const indices = (messages: readonly Message[] = []): unknown[] =>
    messages.map((m) => (m.kind === 'append' ? m.prevIndex : m.kind));

  it('goes with heartbeats and votes first, appends in order, and only urgent ones while bulk is leaving', () => {
    const queue = new OutgoingQueue();
    queue.push([append(1, 10), append(2, 10), beat(1), append(3, 10)]);
    expect(indices(queue.take(false)?.messages)).toEqual(['heartbeat']);
    expect(queue.take(false)).toBe(undefined);
    queue.push([beat(2)]);
    const batch = queue.take(true);
    expect([indices(batch?.messages), batch?.bulk]).toEqual([['heartbeat', 1, 2, 3], true]);
    expect(queue.take(true)).toBe(undefined);
  });

  it('goes in frames of 256 KiB; a larger message goes alone', () => {
    const queue = new OutgoingQueue();
    queue.push([append(1, 100_000), append(2, 100_000), append(3, 100_000), append(4, 900_000), append(5, 1)]);
    const batches = Array.from({ length: 4 }, () => indices(queue.take(true)?.messages));
    expect(batches).toEqual([[1, 2], [3], [4], [5]]);
  });

  it('is dropped beyond its bounds, never kept: newest appends, oldest urgent ones', () => {
    const queue = new OutgoingQueue();
    for (let i = 0; i < 100; i += 1) queue.push([append(i, 1_000_000)]);
    expect(queue.bytes).toBeLessThanOrEqual(8 * 1024 * 1024);
    expect(queue.dropped).toBeGreaterThan(90);
    expect(indices(queue.take(true)?.messages)).toEqual([0]);
    queue.dropBulk();
    expect([queue.bytes, queue.take(true)]).toEqual([0, undefined]);
    for (let i = 0; i < 5_000; i += 1) queue.push([append(i, 0)]);
    for (let i = 0; i < 1_000; i += 1) queue.push([beat(i)]);
    const urgent = queue.take(false)?.messages ?? [];
    expect([urgent.length, (urgent[0] as { round: number }).round]).toEqual([256, 744]);
    const bulk: unknown[] = [];
    for (let batch = queue.take(true); batch !== undefined; batch = queue.take(true)) bulk.push(...batch.messages);
    expect(bulk).toHaveLength(1_024);
    queue.push([append(0, 20_000_000)]);
    expect(queue.take(true)?.bulk).toBe(true); // One is always admitted.
  });
});

describe('trying again', () => {
  it('waits longer each time, up to two seconds, and never in step with others', () => {
    const least = new Backoff(() => 0);
    const most = new Backoff(() => 0.999);
    expect(Array.from({ length: 8 }, () => least.next())).toEqual([25, 50, 100, 200, 400, 800, 1_000, 1_000]);
    expect(Array.from({ length: 8 }, () => Math.round(most.next()))).toEqual([
      50, 100, 200, 400, 800, 1_599, 1_999, 1_999,
    ]);
    least.reset();
    expect(least.next()).toBe(25);
  });

  it('complains of the same thing once in a while only', () => {
    const said: string[] = [];
    const logger: Logger = {
      debug() {},
      info() {},
      error() {},
      warn: (text, details) => said.push(`${text} ${String(details?.['about'])}`),
    };
    const complaints = new Complaints(logger);
    for (let i = 0; i < 100; i += 1) complaints.warn('refused', 'x');
    complaints.warn('refused', 'y');
    expect(said).toEqual(['refused x', 'refused y']);
  });
});
