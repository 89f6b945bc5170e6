import { expect, it } from 'vitest';
import { oneOf, parse } from '../src/cli.js';
import { didYouMean } from '../src/did-you-mean.js';

const options = { nodes: { type: 'string' }, data: { type: 'string' }, local: { type: 'boolean' } } as const;

it.each<[string[], string]>([
  [['--color'], 'There is no flag --color.'],
  [['--node', '5'], 'There is no flag --node. Did you mean --nodes?'],
  [['--dta=x'], 'There is no flag --dta. Did you mean --data?'],
  [['--hlep'], 'There is no flag --hlep. Did you mean --help?'],
  [['-n', '5'], 'There is no flag -n.'],
  [['--constructor'], 'There is no flag --constructor.'],
  [['--nodes'], '--nodes needs a value.'],
  [['--data', ''], '--data needs a value.'],
  [['--data='], '--data needs a value.'],
  [['--data', '--nodes', '5'], '--data needs a value.'],
  [['--local=yes'], '--local takes no value.'],
  [['KEY', 'now'], 'Unexpected argument "now".'],
  [['KEY', '--', '--nodes'], 'Unexpected argument "--nodes".'],
  [[], 'KEY is missing.'],
])('parse refuses the arguments %j', (args, problem) => {
  expect(() => parse('get', args, options, ['KEY'])).toThrow(
    expect.objectContaining({ message: `${problem} See: npx -y pnpm@10.34.9 kontiki-demo get --help`, exitCode: 2 }),
  );
});

it('parse accepts flags, values that begin with a dash, and arguments after --', () => {
  const { values, positionals } = parse('get', ['--nodes', '-1', '--data=--x', '--local', '--', '-k'], options, [
    'KEY',
  ]);
  expect([{ ...values }, positionals]).toEqual([{ nodes: '-1', data: '--x', local: true }, ['-k']]);
  expect(parse('get', ['-h'], options, ['KEY']).values['help']).toBe(true);
});

it('oneOf suggests the closest word', () => {
  expect(() => oneOf('storage', ['levle'], ['fs', 'level'])).toThrow(/not "levle"\. Did you mean level\?/);
});

it('didYouMean suggests only close words', () => {
  const words = ['put', 'get', 'delete', 'status'];
  expect(['gte', 'stats', 'deleted', 'launch', 'x'].map((word) => didYouMean(word, words))).toEqual([
    '',
    ' Did you mean status?',
    ' Did you mean delete?',
    '',
    '',
  ]);
});
