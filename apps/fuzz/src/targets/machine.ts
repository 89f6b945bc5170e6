import {
  defineStateMachine,
  isKontikiError,
  Replica,
  SessionClient,
  SessionMachine,
  type Outcome,
} from '@kontiki/core';
import { check, type Target } from '../target.js';
import { piecesOf } from './samples.js';

interface Inventory {
  counts: Map<string, number>;
  tags?: Set<string>;
}

const first = {
  version: 1,
  initial: (): Inventory => ({ counts: new Map() }),
  commands: {
    add: ({ counts }: Inventory, name: string) => void counts.set(String(name), (counts.get(String(name)) ?? 0) + 1),
    clear: ({ counts }: Inventory) => counts.clear(),
  },
};
const inventory = defineStateMachine({
  ...first,
  version: 2,
  previous: defineStateMachine(first),
  migrate: (state: Inventory): Inventory => ({ ...state, tags: new Set(['migrated']) }),
});

const newMachine = (): SessionMachine<Outcome> => new SessionMachine<Outcome>(new Replica(inventory));

/** Resolves with the log entries for a command in a session: one that opens the session, and the command. */
async function recordsOf(command: Uint8Array, random = 0.5): Promise<Uint8Array[]> {
  const proposed: Uint8Array[] = [];
  const node = {
    level: 2,
    propose: (data: Uint8Array) => {
      proposed.push(data.slice());
      return Promise.resolve({ index: 1, term: 1, result: { result: undefined } });
    },
  };
  const client = new SessionClient<Outcome>({ node, random: () => random });
  await client.propose(command);
  return proposed;
}

async function snapshotOf(sessions: SessionMachine<Outcome>): Promise<Uint8Array> {
  const parts: number[] = [];
  for await (const piece of sessions.snapshot?.() ?? []) parts.push(...piece);
  return new Uint8Array(parts);
}

const at = { index: 2, term: 1, time: 7, version: 1 };

/**
 * Applies an input as an entry, after an entry that opens a session, and checks that a snapshot
 * keeps the state and the session. Returns whether the entry was accepted.
 */
async function apply(input: Uint8Array): Promise<boolean> {
  const [open] = await recordsOf(new Uint8Array(0));
  const sessions = newMachine();
  const entries = [open as Uint8Array, input].map((data, i) => {
    return { kind: 'command', index: i + 1, term: 1, time: 7, data } as const;
  });
  const [, outcome] = (await sessions.apply({ entries, through: 2, time: 7 })) as readonly Outcome[];
  const copy = newMachine();
  const snapshot = await snapshotOf(sessions);
  await copy.restore(piecesOf(snapshot), at);
  check(Buffer.compare(await snapshotOf(copy), snapshot) === 0, 'a restored machine has an equal snapshot');
  return outcome === undefined || 'result' in outcome;
}

export const machine: Target = {
  name: 'machine',
  about: 'the entries and the snapshots of a state machine that defineStateMachine made, with sessions',
  seeds: async () => {
    const replica = new Replica(inventory);
    const data = replica.encode('add', 'a');
    const records = await recordsOf(data);
    const [other] = await recordsOf(data, 0.25);
    const sessions = newMachine();
    await sessions.apply({
      entries: records.map((record, i) => ({ kind: 'command', index: i + 1, term: 1, time: 7, data: record })),
      through: 2,
      time: 7,
    });
    replica.apply({ entries: [{ kind: 'command', index: 1, term: 1, data }], through: 1, time: 0 });
    const parts: number[] = [];
    for await (const piece of replica.snapshot()) parts.push(...piece);
    const commands = [data, replica.encode('clear'), records[1] as Uint8Array, other as Uint8Array];
    return [...commands, new Uint8Array(parts), await snapshotOf(sessions)];
  },
  run: async (input) => {
    let isCommand = false;
    try {
      isCommand = await apply(input);
    } catch (error) {
      if (!machine.isExpected(error)) throw error;
    }
    // Pass each input to both readers. The target accepts an input if one reader accepts it.
    try {
      await newMachine().restore(piecesOf(input), at);
    } catch (error) {
      if (!isCommand || !machine.isExpected(error)) throw error;
    }
    return true;
  },
  isExpected: (error) => isKontikiError(error, 'KONTIKI_FORMAT'),
};
