import { expect, it, vi } from 'vitest';
import { oneOf, parse } from '../src/cli.js';
import { clientCommand } from '../src/commands/client.js';
import { demoCommand } from '../src/commands/demo.js';
import { nodeCommand } from '../src/commands/node.js';
import { snapshotCommand } from '../src/commands/snapshot.js';
import { txnCommand } from '../src/commands/txn.js';
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

/** Commands with an invalid command line, which must create no file. */
it.each<[command: string, run: () => Promise<number>, problem: string]>([
  ['demo --nodes 0', () => demoCommand(['--nodes', '0']), '--nodes must be a whole number from 1 to 7'],
  ['demo --nodes three', () => demoCommand(['--nodes', 'three']), '--nodes must be'],
  ['demo --nodes -1', () => demoCommand(['--nodes', '-1']), '--nodes must be a whole number from 1 to 7, not "-1"'],
  [
    'demo --heartbeat 100 --election 150',
    () => demoCommand(['--heartbeat', '100', '--election', '150']),
    'at least twice --heartbeat 100',
  ],
  ['demo --heartbeat 60001', () => demoCommand(['--heartbeat', '60001']), 'a whole number from 1 to 60000'],
  ['demo --storage fs,fs', () => demoCommand(['--storage', 'fs,fs']), '--storage names 2 stores for 3 nodes'],
  ['node', () => nodeCommand([]), '--id is missing'],
  ['get', () => clientCommand('get', []), 'KEY is missing'],
  ['get a --url ftp://x', () => clientCommand('get', ['a', '--url', 'ftp://x']), '--url must be'],
  [
    'put a b --url http://127.0.0.1:99999',
    () => clientCommand('put', ['a', 'b', '--url', 'http://127.0.0.1:99999']),
    '--url must be',
  ],
  [
    'put a b --ttl 30s',
    () => clientCommand('put', ['a', 'b', '--ttl', '30s', '--url', 'http://127.0.0.1:1']),
    '--ttl must be a whole number from 1 to 31536000000, not "30s"',
  ],
  ['delete a --ttl 5', () => clientCommand('delete', ['a', '--ttl', '5']), 'There is no flag --ttl'],
  ['txn', () => txnCommand([]), 'FILE is missing'],
  [
    'txn missing.json',
    () => txnCommand(['missing.json', '--url', 'http://127.0.0.1:1']),
    'Cannot read the transaction. Nothing was sent.',
  ],
  ['snapshot tak', () => snapshotCommand(['tak']), 'There is no snapshot command "tak". Did you mean take?'],
])('kontiki-demo %s is refused with one sentence', async (_, run, problem) => {
  await expect(run()).rejects.toMatchObject({ message: expect.stringContaining(problem), exitCode: 2 });
});

it.each<[command: string, run: (args: string[]) => Promise<number>]>([
  ['node', nodeCommand],
  ['get', (args) => clientCommand('get', args)],
  ['put', (args) => clientCommand('put', args)],
  ['delete', (args) => clientCommand('delete', args)],
  ['status', (args) => clientCommand('status', args)],
  ['txn', txnCommand],
])('kontiki-demo %s --help prints a command that can be pasted', async (_, run) => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    expect(await run(['--help'])).toBe(0);
    expect(write.mock.calls.flat().join('')).toContain('npx -y pnpm@10.34.9 ');
  } finally {
    write.mockRestore();
  }
});
