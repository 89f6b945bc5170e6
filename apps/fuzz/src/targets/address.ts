import fc from 'fast-check';
import { isKontikiError } from '@kontiki/core';
import { parseAddress } from '@kontiki/peers';
import { bytesOf, check, type Target } from '../target.js';

const part = fc.oneof(
  fc.constantFrom(
    'http:',
    'ws:',
    'wss:',
    '//',
    '/',
    '\\',
    ':',
    '@',
    '?',
    '#',
    '[',
    ']',
    '%',
    '.',
    'user',
    '127.0.0.1',
    '::1',
    '0x7f.1',
    '80',
    '0',
    '65536',
    'localhost',
    '\t',
    ' ',
  ),
  fc.string({ unit: 'binary', maxLength: 4 }),
);

export const address: Target = {
  name: 'address',
  about: 'parseAddress of @kontiki/peers',
  seeds: () => ['http://127.0.0.1:4001', 'ws://a.example:80/raft', 'wss://[::1]:443/', 'https://b'].map(bytesOf),
  structured: fc.array(part, { maxLength: 12 }).map((parts) => new Uint8Array(Buffer.from(parts.join('')))),
  run: (input) => {
    const url = parseAddress(Buffer.from(input).toString());
    check(url.protocol === 'http:' || url.protocol === 'https:', 'the scheme is http or https');
    check(url.username + url.password + url.search + url.hash === '', 'an address has nothing but host, port and path');
    check(url.hostname !== '' && url.port !== '0', 'an address can be dialed');
    check(parseAddress(url.href).href === url.href, 'a parsed address parses to itself');
    return true;
  },
  isExpected: (error) => isKontikiError(error, 'KONTIKI_BAD_OPTION'),
};
