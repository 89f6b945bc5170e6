// Shows that unreachable addresses are refused, either before they are written to the log or at the
// first start.
import { describe, expect, it } from 'vitest';
import { bootstrap, KontikiError, MemoryLog, silentLogger, type ServerInfo, type Transport } from '@kontiki/core';
import { atOnce, bytes, outcome, runToOutcome } from './harness.js';
import { nodes, open } from './snapshot-harness.js';

const owner = { cluster: 'test', server: 'a' };

/** Returns a transport that accepts only addresses that begin with `memory:`. */
function strict(): Transport {
  const transport = nodes.network.transport();
  transport.checkAddresses = (addresses) => {
    const bad = [...addresses.values()].find((address) => !address.startsWith('memory:'));
    if (bad !== undefined) throw new KontikiError('KONTIKI_BAD_OPTION', `${bad} is not an address`);
  };
  return transport;
}

describe('addresses of members', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['a blank address', { a: ' ' }, /a has a blank address/],
    ['the same address twice', { a: 'x', b: 'x' }, /a and b have the same address "x"/],
    ['a member without an address', { a: 'x', b: undefined }, /members.b must be an address/],
    ['an address that is no string', { a: { address: 7001 } }, /members.a must be an address/],
  ])('bootstrap refuses %s and writes nothing', async (_, members, message) => {
    const log = new MemoryLog();
    await expect(bootstrap(log, { ...owner, members: members as Record<string, ServerInfo> })).rejects.toMatchObject({
      code: 'KONTIKI_BAD_OPTION',
      message: expect.stringMatching(message),
    });
    expect((await log.open(owner)).last).toBe(0);
    await log.close();
  });

  it('bootstrap rejects addresses that its transport rejects', async () => {
    const log = new MemoryLog();
    const members = { a: 'memory:a', b: 'tcp:b' };
    expect(await outcome(bootstrap(log, { ...owner, members, transport: strict() }))).toBe('KONTIKI_BAD_OPTION');
    await bootstrap(log, { ...owner, members: { ...members, b: 'memory:b' }, transport: strict() });
  });

  it('the first open rejects invalid addresses, and later opens only log them', async () => {
    const log = new MemoryLog();
    nodes.logs.set('a', log);
    await bootstrap(log, { ...owner, members: { a: 'tcp:a' } });
    expect(await outcome(open('a', { transport: strict() }))).toBe('KONTIKI_BAD_OPTION');
    const a = await open('a');
    await nodes.clock.until(() => a.isLeader);
    await runToOutcome(nodes, a.propose(bytes('x')));
    await a.close(atOnce);
    const lines: string[] = [];
    await open('a', { transport: strict(), logger: { ...silentLogger, error: (line) => void lines.push(line) } });
    expect(lines).toEqual(['an address in the membership cannot be reached']);
  });

  it('setTransport rejects a transport that cannot reach the members', async () => {
    await nodes.bootstrap('a', 'b');
    const a = await open('a');
    await open('b');
    await nodes.clock.until(() => nodes.leader !== undefined);
    const transport = nodes.network.transport();
    transport.checkAddresses = () => {
      throw new KontikiError('KONTIKI_BAD_OPTION', 'these are not for me');
    };
    expect(await runToOutcome(nodes, a.setTransport(transport))).toBe('KONTIKI_BAD_OPTION');
    expect(
      await runToOutcome(
        nodes,
        a.read(() => 1),
      ),
    ).toBe(1);
  });
});
