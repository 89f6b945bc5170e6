// Shows that wrong names and inputs of wrong types do not compile. `tsc -b` checks the types in this
// file.
import type { Applied } from '@kontiki/core';
import type { Client } from '@kontiki/client';
import { expectTypeOf, it } from 'vitest';
import type { machine } from './service.js';

// The functions in this file are never called, because the test is whether they compile.
it('execute and query accept only the names and inputs of the state machine', () => {
  const calls = (client: Client<typeof machine>): unknown[] => {
    expectTypeOf(client.execute('append', 'x')).resolves.toEqualTypeOf<Applied<number>>();
    expectTypeOf(client.execute('clear')).resolves.toEqualTypeOf<Applied<undefined>>();
    expectTypeOf(client.query('items', undefined, { minIndex: 5 })).resolves.toEqualTypeOf<Applied<string[]>>();
    expectTypeOf(client.watch('item', 5).next()).resolves.toExtend<IteratorResult<{ result: string | undefined }>>();
    return [
      // @ts-expect-error There is no such command.
      client.execute('nope'),
      // @ts-expect-error The input is missing.
      client.execute('append'),
      // @ts-expect-error The input has the wrong type.
      client.execute('append', 5),
      // @ts-expect-error The command takes no input.
      client.execute('clear', 5),
      // @ts-expect-error There is no such option.
      client.execute('append', 'x', { timeuot: 5 }),
      // @ts-expect-error Queries are not commands.
      client.execute('items'),
      // @ts-expect-error Commands are not queries.
      client.query('append', 'x'),
      // @ts-expect-error Commands cannot be watched.
      client.watch('append', 'x'),
      // @ts-expect-error There is no such consistency.
      client.query('items', undefined, { consistency: 'perhaps' }),
    ];
  };
  expectTypeOf(calls).toBeFunction();
});
