import { isKontikiError } from '@kontiki/core';
import { decodeCommand, encodeCommand, MAX_KEY, MAX_VALUE } from 'kontiki-demo/kv/command.js';
import { decodeState, encodeState } from 'kontiki-demo/kv/state.js';
import { check, type Target } from '../target.js';
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
  const { key } = decodeCommand(encodeCommand(decoded));
  check(key === decoded.key && Buffer.byteLength(key) <= MAX_KEY, 'a decoded command survives a round trip');
  return true;
}

/** Decodes an input as a state. */
async function readState(input: Uint8Array): Promise<void> {
  for (const [, { value, revision }] of await decodeState(piecesOf(input)))
    check(value.length <= MAX_KEY + MAX_VALUE && Number.isSafeInteger(revision), 'a decoded item is possible');
}

export const demoState: Target = {
  name: 'demo-state',
  about: 'the commands of the demo, and the state in its snapshots',
  seeds: async () => {
    const states: Uint8Array[] = [];
    const items = ['a', '__proto__', 'é'].map((key) => [key, { value: Uint8Array.of(1, 2), revision: 7 }] as const);
    for await (const piece of encodeState(items.map(([key, item]) => [key, item]))) states.push(piece);
    return [
      ...states,
      encodeCommand({ kind: 'put', key: 'a', value: Uint8Array.of(1), condition: { kind: 'always' } }),
      encodeCommand({ kind: 'put', key: 'é', value: new Uint8Array(0), condition: { kind: 'absent' } }),
      encodeCommand({ kind: 'delete', key: 'constructor', condition: { kind: 'revision', revision: 9 } }),
    ];
  },
  run: async (input) => {
    const isCommand = readCommand(input);
    // Pass each input to both readers. The target accepts an input if one reader accepts it.
    await readState(input).catch((error: unknown) => {
      if (!isCommand || !demoState.isExpected(error)) throw error;
    });
    return true;
  },
  isExpected: (error) => isKontikiError(error, 'KONTIKI_PROTOCOL'),
};
