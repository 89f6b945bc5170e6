// Shows that commands of a client are applied exactly once although answers are lost and nodes fail,
// and which errors a client gets. Three typed nodes run in this process, and clients use HTTP.
import { isCommandError } from '@kontiki/core';
import { Client, CommandError, type ClusterOptions } from '@kontiki/client';
import { handler } from '@kontiki/client/server';
import express from 'express';
import { describe, expect, it } from 'vitest';
import { after, serve } from './servers.js';
import { Service, type machine } from './service.js';

const ids = ['a', 'b', 'c'];

function clientOf(urls: readonly string[], options: Partial<ClusterOptions> = {}): Client<typeof machine> {
  const client = new Client<typeof machine>({ urls, timeout: 30_000, ...options });
  after(() => client.close());
  return client;
}

/** Starts a service, and a client of all its nodes. */
async function start(
  ...args: Parameters<typeof Service.start>
): Promise<{ service: Service; client: Client<typeof machine> }> {
  const service = await Service.start(...args);
  return { service, client: clientOf(service.urls) };
}

describe('Client', () => {
  it('execute and query resolve with results and positions, on every node', async () => {
    const { service, client } = await start(ids);
    const { index, term, result } = await client.execute('append', 'x');
    expect([index > 0, term > 0, result]).toEqual([true, true, 1]);
    for (const url of service.urls) {
      const at = await clientOf([url]).query('items', undefined, { consistency: 'local', minIndex: index });
      expect(at).toMatchObject({ index, result: ['x'] });
    }
    expect((await client.query('item', 0)).result).toBe('x');
    expect((await client.query('item', 7)).result).toBeUndefined();
    expect((await client.execute('clear')).result).toBeUndefined();
  });

  it('commands are applied exactly once although half of the answers are lost', async () => {
    const { service, client } = await start(ids);
    let responses = 0;
    service.loses = () => (responses += 1) % 2 === 0;
    const items = Array.from({ length: 40 }, (_, i) => `${i}`);
    const counts = await Promise.all(items.map(async (item) => (await client.execute('append', item)).result));
    service.loses = () => false;
    // Each command got the result of its only application.
    expect(counts.toSorted((a, b) => a - b)).toEqual(items.map((_, i) => i + 1));
    const { result } = await client.query('items');
    expect(counts.map((count) => result[count - 1])).toEqual(items);
    expect(responses).toBeGreaterThan(60);
  });

  it('commands are applied exactly once although their leaders fail', async () => {
    const { service, client } = await start(ids);
    const acknowledged: string[] = [];
    const append = async (name: number): Promise<void> => {
      for (let i = 0; i < 40; i += 1) {
        await client.execute('append', `${name}-${i}`);
        acknowledged.push(`${name}-${i}`);
      }
    };
    const writers = Promise.all(Array.from({ length: 8 }, (_, name) => append(name)));
    while (acknowledged.length < 100) await client.execute('append', 'filler');
    await service.leader?.kill();
    await writers;
    const { result } = await client.query('items');
    expect(result.filter((item) => item !== 'filler').toSorted()).toEqual(acknowledged.toSorted());
  });

  it('a command continues on another node when its node does not answer', async () => {
    const { service, client } = await start(ids);
    await client.execute('append', 'x');
    const [silent] = service.nodes;
    service.loses = (request) => request.socket.localPort === Number(new URL(silent?.server.url ?? '').port);
    expect((await client.execute('append', 'y')).result).toBe(2);
    expect((await client.query('items')).result).toEqual(['x', 'y']);
  });

  it('watch yields each new result, and continues at another node without older results', async () => {
    const { service, client } = await start(ids);
    const seen: number[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { result } of client.watch('items', undefined, { signal: stop.signal })) {
        seen.push(result.length);
        if (result.length >= 30) return;
      }
    })();
    const writer = clientOf(service.urls.toReversed());
    for (let i = 0; i < 30; i += 1) {
      if (i === 10) await service.nodes[0]?.kill();
      await writer.execute('append', `${i}`);
    }
    await watching;
    expect(seen.at(-1)).toBe(30);
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b));
  });

  it('a watch ends when it is aborted or left, and frees its place at the node', async () => {
    const { client } = await start(['a'], { maxWatches: 1 });
    for (let i = 0; i < 3; i += 1) {
      for await (const { result } of client.watch('items')) {
        expect(result).toEqual([]);
        break;
      }
    }
    const stop = new AbortController();
    const changes = client.watch('item', 0, { signal: stop.signal });
    expect((await changes.next()).value).toMatchObject({ result: null });
    stop.abort();
    await expect(changes.next()).rejects.toMatchObject({ code: 'KONTIKI_ABORTED' });
    const watch = client.watch.bind(client) as (name: string) => AsyncGenerator<unknown, void, void>;
    await expect(watch('nope').next()).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_COMMAND' });
  });

  it('execute rejects with the code and message of the command', async () => {
    const { service, client } = await start();
    const failed = client.execute('take', 'x');
    await expect(failed).rejects.toMatchObject({ code: 'ABSENT', message: 'There is no item x.' });
    const error: unknown = await failed.catch((reason: unknown) => reason);
    expect([error instanceof CommandError, isCommandError(error)]).toEqual([true, true]);
    // A retry gets the same error.
    let responses = 0;
    service.loses = () => (responses += 1) === 1;
    await expect(client.execute('take', 'y')).rejects.toMatchObject({ code: 'ABSENT' });
    expect(responses).toBe(2);
  });

  it('an input that JSON would change is not sent', async () => {
    const { client } = await start();
    for (const input of [NaN, new Date(0), { a: undefined }, new Map(), [undefined], 5n, Symbol('x'), () => 1])
      await expect(client.execute('append', input as never)).rejects.toMatchObject({ code: 'KONTIKI_BAD_INPUT' });
    const item = JSON.parse('{"__proto__":[1,null,"ä"]}') as string;
    await client.execute('append', item);
    expect(JSON.stringify((await client.query('items')).result)).toBe('[{"__proto__":[1,null,"ä"]}]');
  });

  it('a result that JSON would change is reported, and its command is applied once', async () => {
    const { client } = await start();
    await expect(client.execute('date')).rejects.toMatchObject({ code: 'KONTIKI_RESULT_LOST' });
  });

  it.each([
    ['execute', 'nope', 'KONTIKI_UNKNOWN_COMMAND'],
    ['query', 'nope', 'KONTIKI_UNKNOWN_COMMAND'],
    ['execute', '__proto__', 'KONTIKI_UNKNOWN_COMMAND'],
    ['query', 'a/b', 'KONTIKI_UNKNOWN_COMMAND'],
  ] as const)('%s of the unknown name %s rejects with %s', async (call, name, code) => {
    const { client } = await start();
    const run = client[call].bind(client) as (name: string) => Promise<unknown>;
    await expect(run(name)).rejects.toMatchObject({ code });
  });

  it('a service with a token serves only clients that send it', async () => {
    const { service, client } = await start(['a'], { token: 'secret' });
    await expect(client.execute('append', 'x')).rejects.toMatchObject({ code: 'KONTIKI_UNAUTHORIZED' });
    const { result } = await clientOf(service.urls, { token: 'secret' }).execute('append', 'x');
    expect(result).toBe(1);
  });

  it('a handler is mounted on Express, or under a prefix of its own', async () => {
    const { service } = await start();
    const [{ node } = { node: undefined as never }] = service.nodes;
    const app = express();
    app.use('/api', handler(node));
    const prefixed = handler(node, { prefix: '/api' });
    for (const { url } of [await serve(app), await serve(prefixed)])
      expect((await clientOf([`${url}/api`]).execute('append', 'x')).result).toBeGreaterThan(0);
  });

  it('a server that is no node is reported', async () => {
    const { url } = await serve((_, response) => response.writeHead(200).end('<html>'));
    await expect(clientOf([url]).query('items')).rejects.toMatchObject({ code: 'KONTIKI_PROTOCOL' });
    await expect(clientOf([url]).execute('append', 'x')).rejects.toMatchObject({ code: 'KONTIKI_PROTOCOL' });
  });
});
