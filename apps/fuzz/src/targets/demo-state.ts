import { isKontikiError } from '@kontiki/core';
import { decodeCommand, encodeCommand } from 'kontiki-demo/kv/command.js';
import type { Item } from 'kontiki-demo/kv/items.js';
import { KvMachine } from 'kontiki-demo/kv/machine.js';
import { decodeState, encodeState } from 'kontiki-demo/kv/state.js';
import { MAX_KEY, MAX_VALUE } from 'kontiki-demo/kv/write.js';
import { bytesOf, check, type Target } from '../target.js';
import { piecesOf } from './samples.js';

/** Decodes an input as a command. Returns whether the input is a valid command. */
function readCommand(input: Uint8Array): boolean {
  let decoded: ReturnType<typeof decodeCommand>;
  try {
    decoded = decodeCommand(input);
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_PROTOCOL')) return false;
    throw error;
  }
  const encoded = encodeCommand(decoded);
  check(Buffer.compare(encodeCommand(decodeCommand(encoded)), encoded) === 0, 'a command survives a round trip');
  const parts = decoded.kind === 'transaction' ? [...decoded.compare, ...decoded.writes] : [decoded];
  check(
    parts.every(({ key }) => Buffer.byteLength(key) <= MAX_KEY),
    'a key has at most its maximum length',
  );
  return true;
}

/** Applies a valid command, and checks that its keys expire and that a snapshot can be taken. */
async function applyCommand(data: Uint8Array): Promise<void> {
  const machine = new KvMachine();
  const held = encodeCommand({ kind: 'put', key: 'a', value: Uint8Array.of(1), condition: { kind: 'always' } });
  const entries = [held, data].map(
    (bytes, i) => ({ kind: 'command', index: i + 1, term: 1, time: 7, data: bytes }) as const,
  );
  machine.apply({ entries, through: 2, time: 7 });
  const { nextExpiry } = machine;
  for await (const chunk of machine.snapshot()) await decodeState(piecesOf(chunk), machine.version);
  if (nextExpiry === undefined) return;
  check(nextExpiry > 7 && Number.isSafeInteger(nextExpiry), 'a key expires after its command');
  machine.apply({ entries: [], through: 3, time: nextExpiry });
  check((machine.nextExpiry ?? Infinity) > nextExpiry, 'a key is removed when it expires');
}

/** Decodes an input as a state of each version. Rejects if it is not valid in any of them. */
async function readState(input: Uint8Array): Promise<void> {
  const readings = [0, 1].map(async (version) => {
    for (const [, { value, revision, expiry = 0 }] of await decodeState(piecesOf(input), version))
      check(
        value.length <= MAX_KEY + MAX_VALUE && Number.isSafeInteger(revision) && Number.isSafeInteger(expiry),
        'a decoded item is valid',
      );
  });
  const [old, current] = await Promise.allSettled(readings);
  const faults = [old, current].flatMap((reading) =>
    reading?.status === 'rejected' ? [reading.reason as unknown] : [],
  );
  const unexpected = faults.find((fault) => !demoState.isExpected(fault));
  if (unexpected !== undefined || faults.length === 2) throw unexpected ?? faults[0];
}

export const demoState: Target = {
  name: 'demo-state',
  about: 'the commands of the demo, and the state in its snapshots',
  seeds: async () => {
    const states: Uint8Array[] = [];
    const items = ['a', '__proto__', 'é'].map((key, i): [string, Item] => {
      return [key, { value: Uint8Array.of(1, 2), revision: 7, expiry: i === 0 ? 9 : undefined }];
    });
    for await (const piece of encodeState(items)) states.push(piece);
    return [
      // The first item in version 0 of the state.
      bytesOf('\x07\0\0\0\0\0\0\0\x02\0\0\0\x01\0a\x01\x02'),
      ...states,
      encodeCommand({ kind: 'put', key: 'a', value: Uint8Array.of(1), condition: { kind: 'always' } }),
      encodeCommand({ kind: 'put', key: 'é', value: new Uint8Array(0), condition: { kind: 'absent' } }),
      encodeCommand({ kind: 'delete', key: 'constructor', condition: { kind: 'revision', revision: 9 } }),
      encodeCommand({ kind: 'put', key: 'a', value: Uint8Array.of(1), ttl: 5, condition: { kind: 'always' } }),
      encodeCommand({
        kind: 'transaction',
        compare: [
          { key: 'a', revision: 1 },
          { key: 'é', revision: null },
        ],
        writes: [
          { kind: 'put', key: 'a', value: Uint8Array.of(1), ttl: 5 },
          { kind: 'put', key: 'é', value: Uint8Array.of(2) },
          { kind: 'delete', key: 'b' },
        ],
      }),
    ];
  },
  run: async (input) => {
    const isCommand = readCommand(input);
    if (isCommand) await applyCommand(input);
    // Pass each input to both readers. The target accepts an input if one reader accepts it.
    await readState(input).catch((error: unknown) => {
      if (!isCommand || !demoState.isExpected(error)) throw error;
    });
    return true;
  },
  isExpected: (error) => isKontikiError(error, 'KONTIKI_PROTOCOL'),
};
