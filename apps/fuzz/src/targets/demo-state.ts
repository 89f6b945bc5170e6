import { isKontikiError } from '@kontiki/core';
import { decodeCommand, encodeCommand, MAX_KEY, MAX_VALUE } from 'kontiki-demo/kv/command.js';
import { decodeState, encodeState } from 'kontiki-demo/kv/state.js';
import { check, type Target } from '../target.js';

async function* piecesOf(input: Uint8Array): AsyncGenerator<Uint8Array, void> {
  const middle = input.length >> 1;
  yield input.subarray(0, middle);
  yield input.subarray(middle);
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
    let decoded: ReturnType<typeof decodeCommand> | undefined;
    try {
      decoded = decodeCommand(input);
    } catch (error) {
      if (!isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
    }
    if (decoded !== undefined) {
      const again = encodeCommand(decoded);
      const { key } = decodeCommand(again);
      check(key === decoded.key && Buffer.byteLength(key) <= MAX_KEY, 'a decoded command survives a round trip');
    }
    for (const [, { value, revision }] of await decodeState(piecesOf(input))) {
      check(value.length <= MAX_KEY + MAX_VALUE && Number.isSafeInteger(revision), 'a decoded item is possible');
    }
  },
  isExpected: (error) => isKontikiError(error, 'KONTIKI_PROTOCOL'),
};
