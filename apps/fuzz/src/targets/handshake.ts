import fc from 'fast-check';
import { FRAMING, isId } from '@kontiki/core/wire';
import { checkHello, describeReason, HandshakeError, helloHeaders, REFUSED_HEADER } from '@kontiki/peers';
import { bytesOf, check, textOf, type Target } from '../target.js';
import { peer, self } from './samples.js';

const encode = (headers: Readonly<Record<string, string>>): Uint8Array =>
  bytesOf(
    Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
  );

/** Parses header lines as Node.js does, which collects repeated headers in an array. */
function decode(input: Uint8Array): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const line of textOf(input).split('\n')) {
    const colon = line.indexOf(': ');
    if (colon <= 0) continue;
    const [name, value] = [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
    const held = Object.hasOwn(headers, name) ? headers[name] : undefined;
    Object.defineProperty(headers, name, {
      value: held === undefined ? value : [held, value].flat(),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return headers;
}

const names = Object.keys(helloHeaders(peer, 'a'));
const value = fc.oneof(
  fc.constantFrom(
    '',
    '1',
    '1-2',
    '2-1',
    '0',
    '-1',
    '1e3',
    '0x1',
    '1.5',
    'NaN',
    '9007199254740992',
    'fuzz',
    'a',
    'b',
    'any',
    'c'.repeat(32),
    '__proto__',
    '../a',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.integer({ min: 1, max: 70_000 }).map((n) => 'a'.repeat(n)),
);

export const handshake: Target = {
  name: 'handshake',
  about: 'checkHello of @kontiki/peers, for requests and responses',
  seeds: () => [
    encode(helloHeaders(peer, 'a')),
    encode(helloHeaders({ ...peer, genesis: undefined, epoch: undefined }, 'a')),
    encode(helloHeaders({ ...peer, epoch: undefined }, 'a')),
    encode({ ...helloHeaders(peer, 'a'), [REFUSED_HEADER]: 'busy' }),
  ],
  structured: fc
    .array(fc.tuple(fc.constantFrom(...names, REFUSED_HEADER, '__proto__', 'constructor'), value), { maxLength: 3 })
    .map((changes) => encode({ ...helloHeaders(peer, 'a'), ...Object.fromEntries(changes) })),
  maxLength: 128 * 1024,
  run: (input) => {
    const headers = decode(input);
    const description = describeReason(headers[REFUSED_HEADER]);
    check(description === undefined || description.length < 80, 'the description of a reason is short');
    let isAccepted = true;
    for (const dialed of [undefined, 'b']) {
      try {
        const { cluster, from, to, incarnation, genesis = 1, epoch = '', framing } = checkHello(self, headers, dialed);
        check(
          cluster === 'fuzz' && to === 'a' && isId(from) && from !== 'a',
          'an accepted handshake names both servers',
        );
        check(Number.isSafeInteger(incarnation) && incarnation > 0, 'an incarnation is a safe integer above 0');
        check(/^([0-9a-f]{32})?$/.test(epoch), 'an epoch has 32 hexadecimal digits');
        check(
          genesis > 0 && genesis <= 0xffff_ffff && framing >= FRAMING.min && framing <= FRAMING.max,
          'the numbers are possible',
        );
      } catch (error) {
        if (!(error instanceof HandshakeError)) throw error;
        const { message } = error;
        // This message is logged.
        check(message.length < 600 && !/[\n\r]/.test(message), 'a refusal is one short line');
        isAccepted = false;
      }
    }
    return isAccepted;
  },
  isExpected: () => false,
};
