import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import { isKontikiError, type Message } from '@kontiki/core';
import { crc32, decodeFrame, encodeFrame } from '@kontiki/core/wire';
import { check, type Target } from '../target.js';
import { membership, meta } from './samples.js';

/** Returns one message of every kind, whose field values are derived from three numbers. */
function messages([a, b, term]: readonly [number, number, number]): readonly Message[] {
  const from = { term, incarnation: 1 + (a % 1_000) };
  const to = 1 + (b % 1_000);
  const entries = [
    { kind: 'command' as const, index: 2, term, data: Uint8Array.of(1, 2, 3) },
    { kind: 'noop' as const, index: 3, term },
    { kind: 'membership' as const, index: 4, term, membership },
  ];
  return [
    { kind: 'preVote', ...from, lastIndex: 1 + (a % 9), lastTerm: term },
    { kind: 'preVoteReply', ...from, to, candidacy: a, granted: true },
    { kind: 'vote', ...from, lastIndex: 1 + (a % 9), lastTerm: term },
    { kind: 'voteReply', ...from, to, granted: false },
    { kind: 'append', ...from, stream: a, prevIndex: 1, prevTerm: 1, committed: b, entries },
    { kind: 'appendAccepted', ...from, to, stream: a, match: b, full: true },
    {
      kind: 'appendRejected',
      ...from,
      to,
      stream: a,
      prevIndex: b,
      hintIndex: 1,
      hintTerm: 1,
      blank: true,
      full: false,
    },
    { kind: 'heartbeat', ...from, stream: a, round: b, committed: a },
    { kind: 'heartbeatReply', ...from, to, stream: a, round: b, blank: false, full: true },
    { kind: 'commit', ...from, committed: a },
    { kind: 'readIndex', ...from, ticket: a },
    { kind: 'readIndexReply', ...from, to, ticket: a, index: b },
    { kind: 'propose', ...from, ticket: a, commands: [Uint8Array.of(4, 5), new Uint8Array(0)] },
    { kind: 'proposeReply', ...from, to, ticket: a, accepted: 2, index: Math.max(1, b), refused: 'transferring' },
    { kind: 'snapshotOffer', ...from, term: term + 3, stream: a, bytes: b, meta },
    { kind: 'snapshotChunk', ...from, stream: a, id: meta.id, offset: b, data: Uint8Array.of(4, 5) },
    { kind: 'snapshotAck', ...from, to, stream: a, id: meta.id, offset: b },
  ];
}

/** Throws unless every number in a decoded message is a safe integer of at least 0. */
function checkNumbers(value: unknown): void {
  if (typeof value === 'number') check(Number.isSafeInteger(value) && value >= 0, `${value} is a safe integer`);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  for (const held of value instanceof Map ? value.values() : Object.values(value)) checkNumbers(held);
}

const number = fc.oneof(fc.nat(20), fc.maxSafeNat());

export const frame: Target = {
  name: 'frame',
  about: 'decodeFrame of @kontiki/core/wire; whatever it accepts survives a round trip',
  seeds: () => {
    const all = messages([2, 3, 4]);
    return [...all.map((one) => encodeFrame([one])), encodeFrame(all), encodeFrame(all, { version: 1 })];
  },
  structured: fc
    .tuple(
      fc.tuple(
        number,
        number,
        fc.oneof(
          fc.integer({ min: 1, max: 9 }),
          fc.nat(2 ** 52).map((n) => n + 1),
        ),
      ),
      fc.subarray([...Array(15).keys()]),
    )
    .map(([numbers, kinds]) => encodeFrame(kinds.map((kind) => messages(numbers)[kind] as Message))),
  run: (input) => {
    const decoded = decodeFrame(input);
    checkNumbers(decoded.messages);
    const readable = decoded.messages.filter((message) => message.kind !== 'unreadable');
    const again = decodeFrame(encodeFrame(readable, { group: decoded.group }));
    deepStrictEqual(again.messages, readable);
    return true;
  },
  isExpected: (error) => isKontikiError(error, 'KONTIKI_PROTOCOL'),
  repair: (input) => {
    if (input.length >= 4) new DataView(input.buffer, input.byteOffset).setUint32(0, crc32(input.subarray(4)), true);
  },
};
