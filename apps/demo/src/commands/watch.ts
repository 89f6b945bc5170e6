import { ClusterClient } from '@kontiki/client';
import { COMMAND, parse, wholeNumber } from '../cli.js';
import { keyPath } from './client.js';
import { nodesFlags, nodesHelp, nodesOf } from './nodes.js';

const help = `Prints the value of a key, and each new value: its revision, then the value as JSON text.

  ${COMMAND} watch KEY

  --count N         end after N lines (default: Ctrl-C ends the command)
${nodesHelp}  --help            print this text

Values that follow each other quickly may be omitted, but never the newest one.
`;

/** The value of a key in a watch, or null if the key does not exist. */
type Watched = { readonly revision: number; readonly value: string } | null;

export async function watchCommand(args: string[]): Promise<number> {
  const parsed = parse('watch', args, { ...nodesFlags, count: { type: 'string' } }, ['KEY']);
  if (parsed.values['help'] === true) {
    process.stdout.write(help);
    return 0;
  }
  let left = wholeNumber('count', parsed.values['count'], 1, 1e9) ?? Infinity;
  const path = keyPath(parsed.positionals[0] as string);
  const client = new ClusterClient(nodesOf(parsed));
  try {
    for await (const { result } of client.watch<Watched>((minIndex) => ({
      method: 'GET',
      path: `${path}?watch&minIndex=${minIndex}`,
    }))) {
      process.stdout.write(`${describe(result)}\n`);
      left -= 1;
      if (left === 0) break;
    }
    return 0;
  } finally {
    client.close();
  }
}

function describe(value: Watched): string {
  if (value === null) return 'no such key';
  return `${value.revision} ${JSON.stringify(Buffer.from(value.value, 'base64').toString())}`;
}
