import type { Mutant } from './mutant.js';

const MACHINE = 'packages/core/test/machine/sessions/session-machine.test.ts';
const CLIENT = 'packages/core/test/machine/sessions/session-client.test.ts';
const EXECUTE = 'packages/core/test/machine/sessions/execute.test.ts';

/** Bugs in client sessions, which must apply each command once and repeat its result. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a retry is applied again',
    file: 'machine/sessions/session-table.ts',
    find: 'const isKnown = isValid && results.has(sequence);',
    replace: 'const isKnown = false;',
  },
  {
    name: 'a settled command is applied again',
    file: 'machine/sessions/session-table.ts',
    find: 'const isValid = sequence > settled && sequence <= settled + MAX_UNSETTLED;',
    replace: 'const isValid = sequence <= settled + MAX_UNSETTLED;',
    rare: { why: 'an attempt rarely arrives after its command is settled', test: MACHINE },
  },
  {
    name: 'a snapshot does not contain the sessions',
    file: 'machine/sessions/session-machine.ts',
    find: 'writeSessions(this.#table.copy(), this.#clock)',
    replace: 'writeSessions(new SessionTable().copy(), this.#clock)',
  },
  {
    name: 'a restored snapshot keeps the sessions of the server',
    file: 'machine/sessions/session-machine.ts',
    find: '    this.#table = table;\n',
    replace: '    void table;\n',
  },
  {
    name: 'a snapshot does not contain the results of sessions',
    file: 'machine/sessions/session-table.ts',
    find: 'results: new Map(one.results)',
    replace: 'results: new Map<number, Kept>()',
  },
  {
    name: 'a retry gets the result of the newest command',
    file: 'machine/sessions/session-table.ts',
    find: 'const kept = session.results.get(sequence);\n    return typeof kept',
    replace:
      'const kept = [...session.results.values()].at(-1) ?? session.results.get(sequence);\n    return typeof kept',
  },
  {
    name: 'a client retries a command with another sequence number',
    file: 'machine/sessions/session-client.ts',
    find: 'writeCallHead(record, session.id, sequence, settledOf(session));',
    replace: 'writeCallHead(record, session.id, (session.sequence += 1), settledOf(session));',
  },
  {
    name: 'a command whose earlier attempt is unknown continues under a new session',
    file: 'machine/sessions/session-client.ts',
    find: 'if (unknown !== undefined) throw applied.result.error;',
    replace: '',
    rare: { why: 'sessions rarely end between two attempts', test: CLIENT },
  },
  {
    name: 'an expired session is still used',
    file: 'machine/sessions/session-table.ts',
    find: 'return this.#time - used > ttl;',
    replace: 'return this.#time - used > ttl && ttl < 0;',
    rare: { why: 'a session that lives longer breaks no promise to clients', test: MACHINE },
  },
  {
    name: 'the results of settled commands are never forgotten',
    file: 'machine/sessions/session-table.ts',
    find: 'if (settled <= forgotten) return;',
    replace: 'if (settled >= 0) return;',
    rare: { why: 'it only costs memory', test: MACHINE },
  },
  {
    name: 'restored sessions forget the size of their results',
    file: 'machine/sessions/session-table.ts',
    find: "if (typeof kept === 'string') bytes += OVERHEAD + kept.length;\n    this",
    replace: 'void kept;\n    this',
    rare: { why: 'results are rarely dropped soon after a restore', test: MACHINE },
  },
  {
    name: 'a restarted node forgets the log time of what it has applied',
    file: 'node/start/align-stores.ts',
    find: 'const appliedTime = await logTimeAt(applied, parts.log, state, snapshot);',
    replace: 'const appliedTime = 0;',
    rare: {
      why: 'a snapshot right after a restart is rarely restored before another one is taken',
      test: 'packages/core/test/node/log-time.test.ts',
    },
  },
  {
    name: 'a client settles commands that it may retry',
    file: 'machine/sessions/session-client.ts',
    find: 'for (const first of open) return first - 1;\n',
    replace: '',
    rare: { why: 'the commands are refused, and their outcome stays unknown', test: EXECUTE },
  },
  {
    name: 'a client uses a session that is full',
    file: 'machine/sessions/session-client.ts',
    find: 'session.sequence - settledOf(session) < MAX_UNSETTLED',
    replace: 'session.sequence >= 0',
    rare: { why: 'the clients of the worlds have fewer commands in flight', test: EXECUTE },
  },
];
