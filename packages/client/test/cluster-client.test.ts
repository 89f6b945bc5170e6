// Shows how the client behaves when nodes refuse, hang, redirect or do not answer, and how it numbers
// commands. The nodes are small HTTP servers in this process.
import type { ServerResponse } from 'node:http';
import { ClusterClient, type ClusterOptions, type NodeRequest } from '@kontiki/client';
import { describe, expect, it } from 'vitest';
import { after, answer, closedUrl, FakeNode, refusal, serve } from './servers.js';

const get: NodeRequest = { method: 'GET', path: '/kv/a' };
const put: NodeRequest = { method: 'PUT', path: '/kv/a', body: 'x' };

function clientOf(urls: readonly string[], options: Partial<ClusterOptions> = {}): ClusterClient {
  const client = new ClusterClient({ urls, timeout: 20_000, attemptTimeout: 10_000, ...options });
  after(() => client.close());
  return client;
}

/** Starts a node. Returns its client, too. */
async function node(options: Partial<ClusterOptions> = {}): Promise<{ fake: FakeNode; client: ClusterClient }> {
  const fake = new FakeNode();
  return { fake, client: clientOf([(await serve(fake.listener)).url], options) };
}

const hangUp = (response: ServerResponse): void => void response.socket?.destroy();

describe('ClusterClient', () => {
  it('read continues at the next node after a refusal, a closed port and a hanging node', async () => {
    const refusing = await serve((_, response) => answer(response, 503, refusal('KONTIKI_NOT_LEADER')));
    const hanging = await serve(() => {});
    const healthy = await serve((_, response) => response.end('value'));
    const reasons: string[] = [];
    const client = clientOf([refusing.url, await closedUrl(), hanging.url, healthy.url], { attemptTimeout: 50 });
    const { body } = await client.read(get, { onRetry: (reason) => reasons.push(reason) });
    expect(body.toString()).toBe('value');
    expect(reasons).toEqual([
      `${refusing.url} answered with status 503: KONTIKI_NOT_LEADER happened`,
      expect.stringMatching(/^cannot connect to .*ECONNREFUSED/),
      `no answer from ${hanging.url} (no data for 50 ms)`,
    ]);
    // The client stays with the node that has answered.
    await client.read(get, { onRetry: (reason) => reasons.push(reason) });
    expect(reasons).toHaveLength(3);
  });

  it('a request follows a redirect to the leader, but not to another path or protocol', async () => {
    const leader = await serve((_, response) => response.end('leader'));
    let location = `${leader.url}/kv/a`;
    const follower = await serve((_, response) => response.writeHead(307, { Location: location }).end());
    const client = clientOf([follower.url]);
    expect((await client.read(get)).body.toString()).toBe('leader');
    const firstReason = async (): Promise<string> => {
      const first = new AbortController();
      const onRetry = (reason: string): void => first.abort(reason);
      await expect(client.read(get, { onRetry, signal: first.signal })).rejects.toThrow();
      return first.signal.reason as string;
    };
    for (location of [`${leader.url}/evil`, `${leader.url}/kv/a`.replace('http:', 'https:'), 'nowhere'])
      expect(await firstReason()).toContain('redirects to');
    location = `${follower.url}/kv/a`;
    expect(await firstReason()).toContain('redirect to each other in a loop');
  });

  it('a command is repeated with the same number until it is answered', async () => {
    const { fake, client } = await node();
    fake.onCommand = (response, n) =>
      n === 1 ? hangUp(response) : answer(response, n === 2 ? 504 : n === 3 ? 503 : n === 4 ? 500 : 200);
    await client.write(put);
    await client.write(put);
    expect(fake.places).toEqual(['1 1 0', '1 1 0', '1 1 0', '1 1 0', '1 1 0', '1 2 1']);
  });

  it('settled commands are those below the oldest one without an outcome', async () => {
    const { fake, client } = await node();
    const held: ServerResponse[] = [];
    fake.onCommand = (response, n) => (n === 2 ? held.push(response) : answer(response, 200));
    await client.write(put);
    const second = client.write(put);
    while (held.length === 0) await client.read({ ...get, path: '/sessions' });
    await client.write(put);
    await client.write(put);
    answer(held[0] as ServerResponse, 200);
    await second;
    await client.write(put);
    expect(fake.places).toEqual(['1 1 0', '1 2 1', '1 3 1', '1 4 1', '1 5 4']);
  });

  it('a command without unknown attempts continues under a new session', async () => {
    const { fake, client } = await node();
    fake.onCommand = (response, n) =>
      n === 1
        ? answer(response, 503, refusal('KONTIKI_TIMEOUT'))
        : n === 2
          ? answer(response, 409, refusal('KONTIKI_SESSION'))
          : answer(response, 200);
    expect((await client.write(put)).status).toBe(200);
    expect(fake.places).toEqual(['1 1 0', '1 1 0', '2 1 0']);
  });

  it('a command with an unknown attempt rejects as unknown if its session ends', async () => {
    const { fake, client } = await node();
    fake.onCommand = (response, n) =>
      n === 1 ? hangUp(response) : n === 2 ? answer(response, 409, refusal('KONTIKI_SESSION')) : answer(response, 200);
    await expect(client.write(put)).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME' });
    await client.write(put);
    expect(fake.places).toEqual(['1 1 0', '1 1 0', '2 1 0']);
  });

  it('other answers are returned, whatever their status', async () => {
    const { fake, client } = await node();
    fake.onCommand = (response) => answer(response, 409, refusal('KONTIKI_RESULT_LOST'));
    expect((await client.write(put)).status).toBe(409);
  });

  it.each([
    [404, {}],
    [409, refusal('KONTIKI_LEVEL')],
  ])('without sessions (%i), a command is not repeated after an unknown attempt', async (status, body) => {
    const { fake, client } = await node();
    fake.onSession = (response) => answer(response, status, body);
    fake.onCommand = (response, n) => (n === 1 ? answer(response, 503, refusal('KONTIKI_TIMEOUT')) : hangUp(response));
    await expect(client.write(put)).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME' });
    expect(fake.places).toEqual([undefined, undefined]);
  });

  it('a node that does not know of sessions yet is skipped by a command that has one', async () => {
    const { fake, client } = await node();
    fake.onCommand = (response, n) =>
      n === 2 ? answer(response, 409, refusal('KONTIKI_LEVEL')) : answer(response, 200);
    for (let i = 0; i < 2; i += 1) expect((await client.write(put)).status).toBe(200);
    expect(fake.places).toEqual(['1 1 0', '1 2 1', '1 2 1']);
  });

  it('a session is opened at another node if one does not know of sessions yet', async () => {
    const [lagging, current] = [new FakeNode(), new FakeNode()];
    lagging.onSession = (response) => answer(response, 409, refusal('KONTIKI_LEVEL'));
    const client = clientOf([(await serve(lagging.listener)).url, (await serve(current.listener)).url]);
    await client.write(put);
    expect([lagging.places, current.places]).toEqual([[], ['1 1 0']]);
  });

  it('send repeats a request only while it had no effect', async () => {
    const { fake, client } = await node();
    fake.onCommand = (response, n) => (n === 1 ? answer(response, 503, refusal('KONTIKI_TIMEOUT')) : hangUp(response));
    await expect(client.send(put)).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME' });
    expect(fake.places).toHaveLength(2);
  });

  it('a status 503 that is not from a node may have had an effect', async () => {
    const client = clientOf([(await serve((_, response) => response.writeHead(503).end('no healthy upstream'))).url]);
    await expect(client.send(put)).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME' });
  });

  it('an error for a new session rejects every command that waits for it', async () => {
    const { fake, client } = await node();
    fake.onSession = (response) => answer(response, 401, { error: { code: 'TOKEN', message: 'No.' } });
    const results = await Promise.allSettled([client.write(put), client.write(put)]);
    expect(results.map((result) => result.status === 'rejected' && (result.reason as { code: string }).code)).toEqual([
      'TOKEN',
      'TOKEN',
    ]);
  });

  it('commands that start together share one session', async () => {
    const { fake, client } = await node();
    await Promise.all(Array.from({ length: 50 }, () => client.write(put)));
    expect(new Set(fake.places.map((place) => place?.split(' ')[1])).size).toBe(50);
    expect(new Set(fake.places.map((place) => place?.split(' ')[0]))).toEqual(new Set(['1']));
  });

  it('a call rejects at its deadline, and says whether anything was written', async () => {
    const client = clientOf([await closedUrl()], { timeout: 100 });
    await expect(client.read(get)).rejects.toMatchObject({ code: 'KONTIKI_TIMEOUT' });
    await expect(client.write(put)).rejects.toThrow(
      /^Gave up after 100 ms: cannot connect to .* Nothing was written\. Check that a majority/,
    );
    const { fake, client: other } = await node({ timeout: 200 });
    fake.onCommand = (response, n) => n === 1 && hangUp(response);
    await expect(other.write(put)).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME' });
  });

  it('an aborted call rejects at once: a read as aborted, a sent command as unknown', async () => {
    const { fake, client } = await node();
    await client.write(put);
    for (const [call, code] of [
      ['read', 'KONTIKI_ABORTED'],
      ['write', 'KONTIKI_UNKNOWN_OUTCOME'],
    ] as const) {
      const arrived = new Promise<void>((resolve) => (fake.onCommand = () => resolve()));
      const controller = new AbortController();
      const rejected = expect(client[call](put, { signal: controller.signal })).rejects.toMatchObject({ code });
      await arrived;
      controller.abort();
      await rejected;
    }
    const before = fake.places.length;
    await expect(client.write(put, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'KONTIKI_ABORTED' });
    expect(fake.places).toHaveLength(before);
  });

  it('a client refuses calls beyond its limit, and all calls after it was closed', async () => {
    const { fake, client } = await node({ maxCalls: 1 });
    fake.onCommand = () => {};
    const first = client.read(get);
    await expect(client.read(get)).rejects.toMatchObject({ code: 'KONTIKI_OVERLOADED' });
    client.close();
    await expect(first).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
    await expect(client.read(get)).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
  });

  it('a session whose oldest command is slow gets no more than 1,024 numbers', async () => {
    const { fake, client } = await node();
    fake.onCommand = (response, n) => n > 1 && answer(response, 200);
    const slow = client.write(put, { signal: AbortSignal.timeout(60_000) });
    slow.catch(() => {});
    for (let i = 0; i < 1_024; i += 1) await client.write(put);
    expect(fake.places.at(-2)).toBe('1 1024 0');
    expect(fake.places.at(-1)).toBe('2 1 0');
  });

  it('a command that had no effect because of another version is sent again under another number', async () => {
    const { fake, client } = await node({ timeout: 500 });
    fake.onCommand = (response, n) => answer(response, n < 3 ? 409 : 200, refusal('KONTIKI_BEHAVIOR'));
    expect((await client.write(put)).status).toBe(200);
    expect(fake.places).toEqual(['1 1 0', '1 2 1', '1 3 2']);
    fake.onCommand = (response) => answer(response, 409, refusal('KONTIKI_BEHAVIOR'));
    await expect(client.write(put)).rejects.toMatchObject({ code: expect.stringMatching(/TIMEOUT|UNKNOWN_OUTCOME/) });
  });

  it('a response of more than 64 MiB is not kept, and counts as no answer', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const endless = await serve((_, response) => {
      const more = (): void => void (response.destroyed || response.write(chunk, more));
      more();
    });
    const healthy = await serve((_, response) => response.end('value'));
    const reasons: string[] = [];
    const client = clientOf([endless.url, healthy.url]);
    const { body } = await client.read(get, { onRetry: (reason) => reasons.push(reason) });
    expect(body.toString()).toBe('value');
    expect(reasons).toEqual([`no answer from ${endless.url} (the response has more than 67108864 bytes)`]);
    const watch = clientOf([endless.url]).watch(() => get);
    await expect(watch.next()).rejects.toMatchObject({ code: 'KONTIKI_PROTOCOL' });
  });

  it('a call with a longer time limit than setTimeout supports does not end early', async () => {
    const { fake, client } = await node({ timeout: 2 ** 40, attemptTimeout: Infinity });
    fake.onCommand = (response) => setTimeout(() => answer(response, 200), 20);
    expect((await client.write(put)).status).toBe(200);
    expect(fake.places).toHaveLength(1);
  });

  it.each([{ timeout: 0 }, { timeout: NaN }, { timeout: '5' as unknown as number }, { attemptTimeout: -1 }])(
    'the time limits %j are refused',
    async (limits) => {
      const refused = expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' });
      expect(() => clientOf(['http://a'], limits)).toThrow(refused);
      await expect(clientOf(['http://a']).read(get, limits)).rejects.toThrow(refused);
    },
  );

  it('the token and the path of the URL are part of each request', async () => {
    const received: unknown[] = [];
    const { url } = await serve((request, response) => {
      received.push([request.url, request.headers.authorization]);
      response.end();
    });
    await clientOf([`${url}/api/`], { token: 'secret' }).read(get);
    expect(received).toEqual([['/api/kv/a', 'Bearer secret']]);
  });

  it.each([[[]], [['localhost:1']], [['http://a b']], [['ftp://a']], [['http://a?b']]])(
    'the URLs %j are refused',
    (urls) => {
      expect(() => new ClusterClient({ urls })).toThrow(expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }));
    },
  );
});
