import fc from 'fast-check';
import { CliError, oneOf, parse, shellWord, wholeNumber } from 'kontiki-demo/cli.js';
import { bytesOf, check, textOf, type Target } from '../target.js';

const options = {
  data: { type: 'string', default: 'kontiki-data' },
  nodes: { type: 'string' },
  storage: { type: 'string', multiple: true },
  url: { type: 'string', multiple: true },
  fresh: { type: 'boolean' },
} as const;

const word = fc.oneof(
  fc.constantFrom(
    '--data',
    '--data=',
    '--nodes',
    '--nodes=3',
    '--nodes=-1',
    '--nodes=1e2',
    '--nodes=99999999999999999999',
    '--storage=fs',
    '--fresh',
    '--fresh=1',
    '--no-fresh',
    '--',
    '-',
    '-h',
    '-nodes',
    '--__proto__',
    '--constructor=1',
    '--toString',
    '__proto__',
    "it's",
    '$(x)',
  ),
  fc.string({ unit: 'binary', maxLength: 10 }),
);

export const demoCli: Target = {
  name: 'demo-cli',
  about: 'the command line of the demo',
  seeds: () =>
    [
      ['get', 'a', '--data', 'x'],
      ['load', 'a', '--nodes', '3', '--storage', 'fs', '--fresh'],
      ['get', 'a', '--url=http://127.0.0.1:4001', '-h'],
    ].map((args) => bytesOf(args.join('\n'))),
  structured: fc.array(word, { maxLength: 6 }).map((words) => new Uint8Array(Buffer.from(words.join('\n')))),
  run: (input) => {
    const [command = '', ...args] = textOf(input).split('\n');
    const { values, positionals } = parse(command, args, options, ['KEY']);
    check(
      positionals.length <= 1 && Object.keys(values).every((name) => name === 'help' || name in options),
      'only known flags are accepted',
    );
    const nodes = wholeNumber('nodes', values['nodes'], 1, 9);
    check(
      nodes === undefined || (Number.isInteger(nodes) && nodes >= 1 && nodes <= 9),
      'a number is within its limits',
    );
    oneOf('storage', values['storage'] as string[] | undefined, ['fs', 'level', 'memory']);
    for (const argument of args) check(/^[\w@%+=:,./-]+$|^'.*'$/s.test(shellWord(argument)), 'a shell word is quoted');
    return true;
  },
  isExpected: (error) => error instanceof CliError,
  // `parseArgs` of node:util copies all arguments for each flag in a group such as `-abc`.
  maxLength: 1_024,
  allocatedBytes: 8 * 1024 * 1024,
};
