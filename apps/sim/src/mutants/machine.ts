import type { Mutant } from './mutant.js';

const NODE = 'packages/core/test/machine/typed-node.test.ts';
const REPLICA = 'packages/core/test/machine/replica.test.ts';
const VERSIONS = 'packages/core/test/machine/versions.test.ts';
const STATE = 'packages/core/test/machine/state-encoding.test.ts';
const EXPIRY = 'packages/core/test/machine/expiry.test.ts';
const JSON_CODEC = 'packages/core/test/machine/json-codec.test.ts';

const found = (test: string): Mutant['rare'] => ({ why: 'the typed machine of the worlds does not trigger it', test });

/** Bugs in typed state machines. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a command runs although it was proposed for another version',
    file: 'machine/replica.ts',
    find: 'if (version !== inForce) {',
    replace: 'if (version > inForce + 99) {',
    rare: { why: 'all versions in the worlds accept the same inputs', test: REPLICA },
  },
  {
    name: 'the first command runs with the newest version of each server',
    file: 'machine/replica.ts',
    find: 'this.#begin(this.#find(version, `Entry ${index}`));',
    replace: 'this.#begin(this.#behaviors.at(-1));',
  },
  {
    name: 'a server without the version in force goes on with its newest one',
    file: 'machine/replica.ts',
    find: 'if (found !== undefined) return found;',
    replace: 'return found ?? (this.#behaviors.at(-1) as Behavior);',
  },
  {
    name: 'a restart applies old entries with the newest version',
    file: 'machine/replica.ts',
    find: 'const { commands, codec, version: inForce } = this.inForce;',
    replace:
      'const { version: inForce } = this.inForce;\n    const { commands, codec } = this.#behaviors.at(-1) as Behavior;',
  },
  {
    name: 'a restored snapshot keeps the version of the server',
    file: 'machine/replica.ts',
    find: 'this.#raised = behavior;\n  }\n\n  /**',
    replace: 'this.#raised ??= behavior;\n  }\n\n  /**',
  },
  {
    name: 'a raise does not migrate the state',
    file: 'machine/replica.ts',
    find: 'if (migrate === undefined) continue;',
    replace: 'if (version > 0) continue;',
  },
  {
    name: 'a raise is made twice',
    file: 'machine/replica.ts',
    find: 'if (from !== before || to <= before) {',
    replace: 'if (to < before) {',
  },
  {
    name: 'a snapshot names the earliest version',
    file: 'machine/replica.ts',
    find: 'encodeHead(this.raised);',
    replace: 'encodeHead(Math.min(this.raised, this.#behaviors[0].version));',
  },
  {
    name: 'the next batch is applied before a snapshot has read the state',
    file: 'machine/chunk-reader.ts',
    find: 'const first = await iterator.next();\n  try {\n    yield* parts;',
    replace: 'yield* parts;\n  const first = await iterator.next();\n  try {',
    rare: found(REPLICA),
  },
  {
    name: 'the result of a command shares memory with the state',
    file: 'machine/replica.ts',
    find: 'structuredClone(value)',
    replace: 'value',
    rare: found(NODE),
  },
  {
    name: 'the failure of a command stops the server',
    file: 'machine/replica.ts',
    find: 'if (isCommandError(error)) return { error };',
    replace: '',
    rare: found(NODE),
  },
  {
    name: 'a proposal that a raise has overtaken fails',
    file: 'machine/typed-node.ts',
    find: "if (!(isOurs && isKontikiError(outcome.error, 'KONTIKI_BEHAVIOR'))) throw outcome.error;",
    replace: 'throw outcome.error;',
    rare: found(VERSIONS),
  },
  {
    name: 'a start resolves before it has applied what is committed',
    file: 'machine/typed-node.ts',
    find: 'while (raft.status().applied < committed)',
    replace: 'while (raft.status().applied > committed)',
    rare: found(VERSIONS),
  },
  {
    name: 'a validator is called, but its input is proposed',
    file: 'machine/proposal.ts',
    find: 'command.input === undefined ? given : validate(command.input, given)',
    replace: '(command.input && validate(command.input, given), given)',
    rare: found(NODE),
  },
  {
    name: 'a state loses which of its objects are the same',
    file: 'machine/state-encoding.ts',
    find: 'numbers.set(value, numbers.size);',
    replace: 'numbers.set(value, 0);',
    rare: found(STATE),
  },
  {
    name: 'a key of a state becomes its prototype',
    file: 'machine/state-encoding.ts',
    find: "else if (key !== '__proto__')",
    replace: "else if (key !== '')",
    rare: found(STATE),
  },
  {
    name: 'JSON turns -0 into 0',
    file: 'machine/json-codec.ts',
    find: "Object.is(value, -0) ? '-0' : String(value)",
    replace: 'String(value)',
    rare: found(JSON_CODEC),
  },
  {
    name: 'JSON loses hidden properties',
    file: 'machine/plain.ts',
    find: 'return Reflect.ownKeys(value).length === Object.keys(value).length;',
    replace: 'return true;',
    rare: found(JSON_CODEC),
  },
  {
    name: 'JSON loses the properties and the holes of arrays',
    file: 'machine/plain.ts',
    find: "return keys.length === value.length + 1 && keys[value.length] === 'length';",
    replace: 'return true;',
    rare: found(JSON_CODEC),
  },
  {
    name: 'a state expires at the log time of the next command',
    file: 'machine/replica.ts',
    find: '?.expiry?.expire(this.#state, next)',
    replace: '?.expiry?.expire(this.#state, time)',
  },
  {
    name: 'a state with sessions does not expire while the cluster is idle',
    file: 'machine/sessions/session-machine.ts',
    find: 'return this.#machine.nextExpiry;',
    replace: 'return undefined;',
    rare: found(EXPIRY),
  },
  {
    name: 'a version rises to the newest one of the leader',
    file: 'protocol/levels.ts',
    find: 'return Math.min(own, ...[...server.membership',
    replace: 'return Math.max(own, ...[...server.membership',
  },
];
