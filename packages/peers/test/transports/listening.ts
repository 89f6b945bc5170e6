import { expect, it } from 'vitest';
import { introduce, type Made, type Started } from './servers.js';

/** How a transport begins and ends on a port of its own. */
export function testListening(server: Made, started: Started): void {
  it('says clearly that a port is taken', async () => {
    const a = await started('a');
    const b = server('b', { listen: { port: a.transport.port as number } });
    await expect(b.start()).rejects.toMatchObject({
      code: 'KONTIKI_LISTEN',
      message: expect.stringMatching(/^Cannot listen on 127\.0\.0\.1 port \d+: another process/),
      cause: expect.objectContaining({ code: 'EADDRINUSE' }),
    });
    await b.transport.close();
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', ''])('does not listen on %j without being told that it is insecure', (host) => {
    expect(() => server('a', { listen: { port: 0, host } })).toThrow(
      expect.objectContaining({ code: 'KONTIKI_BAD_OPTION', message: expect.stringMatching(/insecure: true/) }),
    );
  });

  it('listens everywhere when told so', async () => {
    const [a, b] = [await started('a', { listen: { port: 0, host: '0.0.0.0' }, insecure: true }), await started('b')];
    introduce(a, b);
    await b.reaches(a);
  });

  it('starts once, and not after it was closed', async () => {
    const a = await started('a');
    await expect(a.start()).rejects.toMatchObject({ code: 'KONTIKI_BAD_OPTION' });
    await a.transport.close();
    await expect(a.start()).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
  });

  it('can be closed before it has started, and while it starts', async () => {
    const never = server('a');
    await never.transport.close();
    const b = server('b', { listen: { port: 0, host: 'localhost' } });
    const starting = b.start();
    await b.transport.close();
    await expect(starting).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
    expect(b.transport.port).toBeUndefined();
  });
}
