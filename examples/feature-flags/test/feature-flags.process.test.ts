// Shows that the example serves writes and reads on every server, and that a rolling restart under
// load fails no request.
import { afterEach, expect, it } from 'vitest';
import { Example } from '../../run.js';

let example: Example | undefined;
afterEach(() => example?.remove());

it('every server takes writes and reads, and a rolling restart fails no request', async () => {
  const flags = (example = await Example.start('feature-flags', ['a', 'b', 'c'], ' serves '));
  const url = (id: string): string => `http://127.0.0.1:${flags.port + flags.ids.indexOf(id)}/flags`;
  const put = (id: string, name: string, on: boolean): Promise<Response> =>
    fetch(`${url(id)}/${name}`, {
      method: 'PUT',
      body: JSON.stringify({ on }),
      headers: { 'Content-Type': 'application/json' },
    });
  for (const id of flags.ids) expect((await put(id, `from-${id}`, true)).status).toBe(204);
  for (const id of flags.ids)
    expect(await (await fetch(url(id))).json()).toEqual({ 'from-a': true, 'from-b': true, 'from-c': true });

  // Like a load balancer, the client first stops sending requests to a server that will restart.
  let restarting = '';
  let [running, requests] = [true, 0];
  const failed: unknown[] = [];
  const load = (async () => {
    while (running) {
      const [id] = flags.ids.filter((other) => other !== restarting).slice(requests % 2) as [string];
      requests += 1;
      const response = await put(id, 'load', requests % 2 === 0).catch((error: unknown) => error as Error);
      if (response instanceof Error) failed.push(response);
      else if (response.status !== 204) failed.push(await response.text());
    }
  })();
  for (const id of flags.ids) {
    restarting = id;
    const before = requests;
    await flags.until('the requests in flight are answered', () => requests >= before + 2);
    await flags.stop(id);
    await flags.run(id, ' serves ');
  }
  running = false;
  await load;
  expect(failed).toEqual([]);
  expect(requests).toBeGreaterThan(50);
  console.log(`feature-flags: ${requests} requests during a rolling restart, none failed`);
});
