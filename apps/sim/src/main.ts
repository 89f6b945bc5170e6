import { parseArgs } from 'node:util';
import { FAULTS, INVARIANTS, NODE_FAULTS, NODE_INVARIANTS, type Fault, type Invariant } from '@kontiki/testing';
import { checkFile, describeFileFailure, modelNames } from './check-history.js';
import { runMutants } from './mutants/run.js';
import { cleanCommit } from './runs.js';
import { runSeeds } from './seeds.js';
import { UsageError } from './usage-error.js';
import { runWorld, SECONDS, STORAGES, WORLDS, type Options, type World } from './worlds.js';

const faults: readonly Fault[] = [...FAULTS, ...NODE_FAULTS];
const invariants: readonly Invariant[] = [...INVARIANTS, ...NODE_INVARIANTS];

const help = `Runs Kontiki in worlds where everything goes wrong, and looks at it after every event.

  pnpm sim --seeds 1000 --from 0       many worlds, on all cores
  pnpm sim --minutes 2 --from 0        as many as fit
  pnpm sim --regressions               and first those that ever found a bug
  pnpm sim --seed 51 --trace           one world, told as a story
  pnpm sim mutants [NAME ...]          breaks a rule at a time: the worlds must notice
  pnpm sim mutants --alone             with one invariant at a time: each must notice something

  pnpm sim check HISTORY               whether a history in JSON lines is linearizable (--model register or list)

  --world fast          fast: the protocol alone; full: whole nodes, their files and frames
  --storage fs          what the nodes of the full world keep their data in: files, or level
  --without loss,cuts   leaves faults out; all: ${faults.join(', ')}
  --seconds 20          simulated seconds before everything heals
  --only NAME,NAME      looks at these invariants only; all: ${invariants.join(', ')}
  --least 200           with --minutes: so many seeds, however long they take
  --record              writes the run down in apps/sim/runs.md
`;

function numberFlag(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`--${name} must be a number, not ${JSON.stringify(text)}.`);
}

function wholeFlag(name: string, text: string | undefined, otherwise: number, least = 0): number {
  const value = numberFlag(name, text, otherwise);
  if (text === undefined || (Number.isSafeInteger(value) && value >= least)) return value;
  throw new UsageError(`--${name} must be a whole number from ${least} on, not ${JSON.stringify(text)}.`);
}

function listFlag<T extends string>(name: string, text: string | undefined, all: readonly T[]): T[] | undefined {
  const wrong = text?.split(',').find((item) => !all.includes(item as T));
  if (wrong !== undefined) throw new UsageError(`--${name} doesn't know ${JSON.stringify(wrong)}: ${all.join(', ')}.`);
  return text?.split(',') as T[] | undefined;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        seeds: { type: 'string' },
        from: { type: 'string' },
        minutes: { type: 'string' },
        regressions: { type: 'boolean' },
        seed: { type: 'string' },
        world: { type: 'string', default: 'fast' },
        storage: { type: 'string', default: 'fs' },
        least: { type: 'string' },
        record: { type: 'boolean' },
        trace: { type: 'boolean' },
        without: { type: 'string' },
        seconds: { type: 'string' },
        only: { type: 'string' },
        alone: { type: 'boolean' },
        model: { type: 'string', default: 'register' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    // Node's advice takes several lines, and ends with a full stop at times.
    throw new UsageError(`${(error as Error).message.replace(/\s+/g, ' ').replace(/\.$/, '')}.`);
  }
}

async function runOne(world: World, seed: number, trace: boolean, options: Options): Promise<boolean> {
  const story = (at: number, text: string): void => console.log(`${at.toFixed(2).padStart(10)}  ${text}`);
  const outcome = await runWorld(world, seed, { ...options, ...(trace ? { tell: story } : {}) });
  const { events, elapsed, hash, violation } = outcome;
  console.log(`seed ${seed}: ${events} events in ${Math.round(elapsed)} ms, hash ${hash}`);
  console.log(violation?.message ?? 'clean');
  return violation === undefined;
}

function recordFlag(wanted: boolean): string | undefined {
  if (!wanted) return undefined;
  const commit = cleanCommit();
  if (commit === undefined)
    throw new UsageError(
      '--record names the commit of the code, but there are uncommitted changes. Commit them first.',
    );
  return commit;
}

function check([path, ...more]: string[], model: string): boolean {
  if (path === undefined || more.length > 0) throw new UsageError('check takes one file.');
  if (!modelNames.includes(model)) throw new UsageError(`--model is ${modelNames.join(' or ')}, not ${model}.`);
  try {
    return checkFile(path, model);
  } catch (error) {
    const text = describeFileFailure(path, error);
    throw text === undefined ? error : new UsageError(text);
  }
}

async function main(args: string[]): Promise<boolean> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(help);
    return true;
  }
  const [command, ...names] = positionals;
  const only = listFlag('only', values.only, invariants);
  const without = listFlag('without', values.without, faults);
  const [world = 'fast'] = listFlag('world', values.world, WORLDS) ?? [];
  const [storage = 'fs'] = listFlag('storage', values.storage, STORAGES) ?? [];
  const options = { invariants: only, without, storage, seconds: numberFlag('seconds', values.seconds, SECONDS) };
  if (command === 'mutants') {
    const seeds = wholeFlag('seeds', values.seeds, 2_000, 1);
    const from = wholeFlag('from', values.from, 0);
    return runMutants({ world, storage, names, alone: values.alone === true, seeds, from, invariants: only });
  }
  if (command === 'check') return check(names, values.model);
  if (command !== undefined) throw new UsageError(`There is no command ${JSON.stringify(command)}.`);
  if (values.seed !== undefined) {
    return runOne(world, wholeFlag('seed', values.seed, 0), values.trace === true, options);
  }
  if (values.trace === true) throw new UsageError('--trace tells one world: it needs --seed.');
  const minutes = numberFlag('minutes', values.minutes, Infinity);
  return runSeeds({
    world,
    from: wholeFlag('from', values.from, 0),
    count: wholeFlag('seeds', values.seeds, minutes === Infinity ? 1_000 : Infinity, 1),
    minutes,
    least: wholeFlag('least', values.least, 0),
    options,
    recordCommit: recordFlag(values.record === true),
    regressions: values.regressions === true,
  });
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message} See: pnpm sim --help\n`);
  process.exitCode = 2;
}
