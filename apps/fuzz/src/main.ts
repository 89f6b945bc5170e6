import { parseArgs } from 'node:util';
import { keepSeeds } from './corpus.js';
import { runTarget } from './run.js';
import { targets } from './targets/index.js';

const COMMAND = 'npx -y pnpm@10.34.9 fuzz';
const SECONDS = 60;

const help = `Feeds invalid bytes to every reader of bytes from outside. A reader may only throw
documented errors, must not hang, and must use time and memory in proportion to its input.

  ${COMMAND} [TARGET ...] [flags]

Targets (default: all of them, one after the other):

${targets.map(({ name, about }) => `  ${name.padEnd(16)} ${about}`).join('\n')}

Flags:

  --seconds N          ends each target after N seconds (default ${SECONDS}, or unlimited with --runs)
  --runs N             ends each target after N executions (default: unlimited)
  --seed N             seed of the first inputs (default: drawn and printed)
  --coverage-guided    searches for inputs that reach new code, instead of inputs from fast-check
  --keep               with --coverage-guided: adds inputs that reach new code to apps/fuzz/corpus
  --write-corpus       adds valid inputs of the current formats to apps/fuzz/corpus, and exits
  --help               print this text

An input that fails is added to apps/fuzz/corpus. The tests run all inputs in there.

Exit codes: 0 all is well, 1 a target failed, 2 the command line is invalid.
`;

/** An error in the command line. Its message is printed without a stack trace. */
class UsageError extends Error {}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seconds: { type: 'string' },
        runs: { type: 'string' },
        seed: { type: 'string' },
        'coverage-guided': { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        'write-corpus': { type: 'boolean', default: false },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message.replace(/\s+/g, ' ').replace(/\.$/, '')}.`);
  }
}

function numberFlag(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} must be a whole number of at most 9 digits, not ${JSON.stringify(text)}.`);
}

async function main(): Promise<number> {
  const { values, positionals } = parse();
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const unknown = positionals.find((name) => !targets.some((target) => target.name === name));
  if (unknown !== undefined)
    throw new UsageError(
      `There is no target ${JSON.stringify(unknown)}. Targets: ${targets.map(({ name }) => name).join(', ')}.`,
    );
  const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  if (values['write-corpus']) {
    for (const target of chosen) {
      await keepSeeds(target);
      await target.close?.();
    }
    return 0;
  }
  const runs = numberFlag('runs', values.runs, Infinity);
  const seconds = numberFlag('seconds', values.seconds, runs === Infinity ? SECONDS : Infinity);
  const seed = numberFlag('seed', values.seed, Math.floor(Math.random() * 1e9));
  const guided = values['coverage-guided'];
  console.log(`Seed ${seed}, ${guided ? 'guided by coverage' : 'with fast-check'}.`);
  let failures = 0;
  for (const { name } of chosen) {
    let shown = performance.now();
    const start = performance.now();
    const result = await runTarget(name, {
      seed,
      runs,
      seconds,
      guided,
      keepFound: values.keep,
      onProgress: (executions, found) => {
        if (performance.now() - shown < 15_000) return;
        shown = performance.now();
        process.stderr.write(`${name}: ${executions} executions${guided ? `, ${found} new inputs` : ''}\n`);
      },
    });
    const { executions, accepted, found, failure } = result;
    const took = ((performance.now() - start) / 1_000).toFixed(1);
    const text = `${name.padEnd(16)} ${executions} executions in ${took} s, ${accepted} inputs accepted`;
    console.log(`${text}${guided ? `, ${found} new inputs` : ''}: ${failure === undefined ? 'clean' : 'FAILED'}`);
    if (failure === undefined) continue;
    failures += 1;
    console.log(`${failure.text}\nThe input is in ${failure.path}.`);
  }
  return failures > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message} See: ${COMMAND} --help\n`);
  process.exitCode = 2;
}
