import { defineStateMachine, type DefinitionOptions } from '@kontiki/core';
import { describe, expect, it } from 'vitest';
import { counter } from './harness.js';

type Options = DefinitionOptions<unknown, object, object, object, undefined>;
const define = (options: object): unknown =>
  defineStateMachine({ initial: () => ({}), commands: {}, ...options } as unknown as Options);

describe('defineStateMachine', () => {
  it.each<[string, object, string]>([
    ['an unknown name', { comands: {} }, 'There is no definition.comands'],
    ['a version below 1', { version: 0 }, 'must be an integer from 1 on, not 0'],
    ['a version that is no integer', { version: 1.5 }, 'must be an integer from 1 on, not 1.5'],
    ['a gap between versions', { version: 3, previous: counter }, 'Version 3 cannot follow version 1'],
    ['a version that does not rise', { version: 1, previous: counter }, 'Version 1 cannot follow version 1'],
    ['a command that is no function', { commands: { add: 5 } }, 'Command add must be a function, not undefined'],
    ['an asynchronous command', { commands: { add: async () => {} } }, 'Command add must not be asynchronous'],
    ['an asynchronous query', { queries: { get: async () => {} } }, 'Query get must not be asynchronous'],
    ['a command without run', { commands: { add: {} } }, 'Command add must be a function, not undefined'],
    [
      'an input that is no validator',
      { commands: { add: { input: {}, run: () => {} } } },
      'implements Standard Schema',
    ],
    ['a long name', { commands: { ['ä'.repeat(128)]: () => {} } }, 'has at most 255 bytes'],
    ['an initial state instead of a function', { initial: {} }, 'initial must be a function'],
    ['an initial state with a class', { initial: () => [new Date(0)] }, 'needs the option snapshot. The value at 0 is'],
    ['a migration that is no function', { migrate: {} }, 'migrate must be a function'],
    ['an expiry that is not an object', { expiry: null }, 'expiry.next must be a function, not undefined'],
    ['an unknown name in expiry', { expiry: { expires: 1 } }, 'There is no definition.expiry.expires'],
    ['an expiry without expire', { expiry: { next: () => undefined } }, 'expiry.expire must be a function'],
  ])('%s is refused', (_name, options, message) => {
    expect(() => define(options)).toThrow(expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }));
    expect(() => define(options)).toThrow(message);
  });

  it('a definition with a previous version gets the next version number', () => {
    expect(counter.version).toBe(1);
    const next = defineStateMachine({ previous: counter, initial: () => ({ total: 0, notes: ['new'] }), commands: {} });
    expect([next.version, next.behaviors.length]).toEqual([2, 2]);
  });
});
