// Runs the conformance suite for state machines on KvMachine, with random commands.

import { describe, expect, it } from 'vitest';
import { Random, testStateMachine } from '@kontiki/testing';
import { encodeCommand, type Condition, type KvCommand } from '../src/kv/command.js';
import { KvMachine } from '../src/kv/machine.js';

function randomCommand(random: Random): KvCommand {
  const condition = random.pick<Condition>([
    { kind: 'always' },
    { kind: 'absent' },
    { kind: 'revision', revision: random.below(200) },
  ]);
  const key = random.pick(['a', 'b', 'c', 'ä/ö', '']);
  if (random.chance(0.2)) return { kind: 'delete', key, condition };
  return { kind: 'put', key, condition, value: new Uint8Array(random.below(40)).fill(random.below(256)) };
}

testStateMachine(
  { describe, it, expect },
  {
    name: 'KvMachine',
    machine: () => new KvMachine(),
    commands: () => {
      const random = new Random(1);
      return Array.from({ length: 200 }, () => encodeCommand(randomCommand(random)));
    },
    digest: (machine) => machine.list('', Infinity).map(([key, { revision, value }]) => [key, revision, value]),
  },
);
