// Shows that wrong names and inputs of wrong types do not compile. `tsc -b` checks the types in
// this file.
import { defineStateMachine, type Applied, type StandardSchemaV1, type TypedNode } from '@kontiki/core';
import { expectTypeOf, it } from 'vitest';

declare const digits: StandardSchemaV1<string, number>;

// The functions in this file are never called, because the test is whether the definitions compile.
const first = () =>
  defineStateMachine({
    initial: () => ({ total: 0 }),
    commands: {
      add: (state, amount: number) => (state.total += amount),
      reset: (state) => {
        state.total = 0;
      },
      position: (_state, _input: undefined, { index, term }) => [index, term] as const,
      take: (state, amount = 1) => (state.total -= amount),
      set: {
        input: digits,
        run: (state, value, context) => {
          expectTypeOf(value).toEqualTypeOf<number>();
          return { was: state.total, at: context.index };
        },
      },
      old: () => 0,
    },
    queries: { total: (state) => state.total, above: (state, least: number) => state.total > least },
  });
const second = () =>
  defineStateMachine({
    version: 2,
    previous: first(),
    initial: () => ({ sum: 0 }),
    commands: {
      add: (state, amount: number | string) => `${(state.sum += Number(amount))}`,
      reset: (state, deep: boolean) => deep && state.sum === 0,
      set: () => undefined,
      fresh: () => true,
    },
    migrate: ({ total }) => ({ sum: total }),
  });
type First = TypedNode<ReturnType<typeof first>>;
type Second = TypedNode<ReturnType<typeof second>>;

it('execute accepts only the names and inputs of the commands', () => {
  const calls = (node: First): unknown[] => {
    expectTypeOf(node.execute('add', 5)).resolves.toEqualTypeOf<Applied<number>>();
    expectTypeOf(node.execute('reset')).resolves.toEqualTypeOf<Applied<void>>();
    expectTypeOf(node.execute('take')).resolves.toEqualTypeOf<Applied<number>>();
    expectTypeOf(node.execute('position')).resolves.toEqualTypeOf<Applied<readonly [number, number]>>();
    expectTypeOf(node.execute('set', '5', { timeout: 5 })).resolves.toEqualTypeOf<
      Applied<{ was: number; at: number }>
    >();
    return [
      // @ts-expect-error There is no such command.
      node.execute('nope'),
      // @ts-expect-error The input is missing.
      node.execute('add'),
      // @ts-expect-error The input has the wrong type.
      node.execute('add', '5'),
      // @ts-expect-error The validator takes strings.
      node.execute('set', 5),
      // @ts-expect-error The command takes no input.
      node.execute('reset', 5),
      // @ts-expect-error There is no such option.
      node.execute('reset', undefined, { timeuot: 5 }),
    ];
  };
  expectTypeOf(calls).toBeFunction();
});

it('query accepts only the names and inputs of the queries', () => {
  const calls = (node: First): unknown[] => {
    expectTypeOf(node.query('total')).resolves.toEqualTypeOf<Applied<number>>();
    expectTypeOf(node.query('above', 5, { consistency: 'local' })).resolves.toEqualTypeOf<Applied<boolean>>();
    return [
      // @ts-expect-error Commands are not queries.
      node.query('add', 5),
      // @ts-expect-error The input is missing.
      node.query('above'),
      // @ts-expect-error The query takes no input.
      node.query('total', 5),
    ];
  };
  expectTypeOf(calls).toBeFunction();
});

it('inputs must be valid for both versions, and results may come from either version', () => {
  const calls = (node: Second): unknown[] => {
    expectTypeOf(node.execute('add', 5)).resolves.toEqualTypeOf<Applied<number | string>>();
    expectTypeOf(node.execute('fresh')).resolves.toEqualTypeOf<Applied<boolean>>();
    return [
      // @ts-expect-error The previous version takes only numbers.
      node.execute('add', '5'),
      // @ts-expect-error No input type is valid for both versions.
      node.execute('reset', true),
      // @ts-expect-error The newest version does not have this command.
      node.execute('old'),
    ];
  };
  expectTypeOf(calls).toBeFunction();
});

it('a version with a different state type needs migrate', () => {
  const definitions = (): unknown[] => [
    defineStateMachine({ previous: first(), initial: () => ({ total: 0 }), commands: {} }),
    // @ts-expect-error The state of version 1 has no sum.
    defineStateMachine({ previous: first(), initial: () => ({ sum: 0 }), commands: {} }),
  ];
  expectTypeOf(definitions).toBeFunction();
});
