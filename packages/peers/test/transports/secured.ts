import { expect } from 'vitest';
import type { PeerTransport, SecurityOptions } from '@kontiki/peers';
import { type Created, numbered, type TestServer, until } from './servers.js';

type Secured = Pick<PeerTransport<never>, 'setTls' | 'setSecrets' | 'refusals'>;

/**
 * Returns a server's transport, typed so that its methods for certificates, secrets and refusals
 * can be called.
 */
export function secured({ transport }: TestServer): Secured {
  return transport as unknown as Secured;
}

export function refusals(server: TestServer): Readonly<Record<string, number>> {
  return secured(server).refusals;
}

/** Starts servers `a` and `b`, and lets `b` dial `a`. */
export async function startDialing(
  created: Created,
  atA: SecurityOptions,
  atB: SecurityOptions,
): Promise<[TestServer, TestServer]> {
  const a = await created('a', atA).start();
  const b = await created('b', atB).start();
  b.transport.setPeers(new Map([['a', a.address]]));
  b.transport.send('a', [numbered(1)]);
  return [a, b];
}

/** Resolves when a server has logged that it cannot connect to `a`. */
export function cannotConnect({ lines }: TestServer): Promise<void> {
  return until(() => lines.some(({ text }) => text.startsWith('cannot connect to a')), 'the log line');
}

/**
 * Checks that `a` refuses `b` for the given reason, that `b` reports the failure, and that no
 * message arrives.
 */
export async function expectRefused([a, b]: [TestServer, TestServer], reason: string): Promise<void> {
  await until(() => (refusals(a)[reason] ?? 0) > 0, `a refusal for the reason ${reason}`);
  await cannotConnect(b);
  expect([a.received, b.received]).toEqual([[], []]);
}

export function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
