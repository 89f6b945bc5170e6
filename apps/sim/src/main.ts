import { parseArgs } from 'node:util';
import { ALL_FAULTS, INVARIANTS, NODE_INVARIANTS, type Invariant } from '@kontiki/testing';
import { checkFile, describeFileFailure, modelNames } from './check-history.js';
import { COMMAND } from './command.js';
import { runMutants } from './mutants/run.js';
import { cleanCommit } from './runs.js';
import { runSeeds } from './seeds.js';
import { UsageError } from './usage-error.js';
import { runWorld, SECONDS, STORAGES, WORLDS, type Options, type World } from './worlds.js';

const invariants: readonly Invariant[] = [...INVARIANTS, ...NODE_INVARIANTS];

const exitCodes = `
Exit codes: 0 all is well, 1 a check failed, 2 the command line or a file is invalid.
`;

const help = `Runs Kontiki in simulated worlds with faults, and checks invariants after every event.

  ${COMMAND} [flags]               runs many worlds on all cores
  ${COMMAND} --seed 51 --trace     runs one world and prints its events
  ${COMMAND} mutants [NAME ...]    injects one bug at a time, which the worlds must find
  ${COMMAND} check HISTORY         checks a history for linearizability

The two commands have their own --help.

Worlds:

  --world WORLD         fast: the protocol alone; full: whole nodes with their stores and frames (default fast)
  --storage STORE       where nodes of the full world store data: fs (files) or level (default fs)
  --seconds N           simulated seconds until all faults end (default ${SECONDS})
  --without FAULT,...   disables these faults
  --only INVARIANT,...  checks only these invariants

Many worlds:

  --seeds N             number of worlds (default 1000, or unlimited with --minutes)
  --from N              first seed (default 0)
  --minutes N           stops starting worlds after N minutes
  --least N             with --minutes: runs at least N worlds, regardless of time (default 0)
  --regressions         first runs the seeds in apps/sim/regressions.json, which found bugs before
  --record              adds the run to apps/sim/runs.md; all changes must be committed

One world:

  --seed N              the seed to run
  --trace               prints every event

Faults: ${ALL_FAULTS.join(', ')}

Invariants: ${invariants.join(', ')}
${exitCodes}`;

/** The help text of each command. */
const helps: Readonly<Record<string, string>> = {
  mutants: `Injects one bug at a time, which the worlds must find. The bugs are in apps/sim/src/mutants.

  ${COMMAND} mutants [NAME ...]

  NAME                  part of a mutant's name (default: all mutants)
  --world WORLD         fast or full (default fast)
  --storage STORE       where nodes of the full world store data: fs or level (default fs)
  --seeds N             maximum number of worlds per mutant (default 2000)
  --from N              first seed (default 0)
  --only INVARIANT,...  checks only these invariants
  --alone               checks one invariant at a time; each must find some mutant

Invariants: ${invariants.join(', ')}
${exitCodes}`,
  check: `Checks a history for linearizability. The file has one operation per line, in JSON.

  ${COMMAND} check HISTORY

  --model MODEL         ${modelNames.join(' or ')} (default register)
${exitCodes}`,
};

function numberFlag(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`--${name} must be a number, not ${JSON.stringify(text)}.`);
}

function wholeFlag(name: string, text: string | undefined, fallback: number, min = 0): number {
  const value = numberFlag(name, text, fallback);
  if (text === undefined || (Number.isSafeInteger(value) && value >= min)) return value;
  throw new UsageError(`--${name} must be a whole number of at least ${min}, not ${JSON.stringify(text)}.`);
}

function listFlag<T extends string>(name: string, text: string | undefined, all: readonly T[]): T[] | undefined {
  const unknown = text?.split(',').find((item) => !all.includes(item as T));
  if (unknown !== undefined)
    throw new UsageError(`--${name} has no value ${JSON.stringify(unknown)}. Its values: ${all.join(', ')}.`);
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
    // The message from Node.js may have several lines and may end with a period.
    throw new UsageError(`${(error as Error).message.replace(/\s+/g, ' ').replace(/\.$/, '')}.`);
  }
}

async function runOne(world: World, seed: number, trace: boolean, options: Options): Promise<boolean> {
  const printEvent = (at: number, text: string): void => console.log(`${at.toFixed(2).padStart(10)}  ${text}`);
  const outcome = await runWorld(world, seed, { ...options, ...(trace ? { trace: printEvent } : {}) });
  const { events, elapsed, hash, violation } = outcome;
  console.log(`seed ${seed}: ${events} events in ${Math.round(elapsed)} ms, hash ${hash}`);
  console.log(violation?.message ?? 'clean');
  return violation === undefined;
}

function recordFlag(wanted: boolean): string | undefined {
  if (!wanted) return undefined;
  const commit = cleanCommit();
  if (commit === undefined)
    throw new UsageError('--record records the current commit, but there are uncommitted changes. Commit them first.');
  return commit;
}

function check([path, ...more]: string[], model: string): boolean {
  if (path === undefined || more.length > 0) throw new UsageError('check needs exactly one file.');
  if (!modelNames.includes(model))
    throw new UsageError(`--model must be ${modelNames.join(' or ')}, not ${JSON.stringify(model)}.`);
  try {
    return checkFile(path, model);
  } catch (error) {
    const text = describeFileFailure(path, error);
    throw text === undefined ? error : new UsageError(text);
  }
}

async function main(args: string[]): Promise<boolean> {
  const { values, positionals } = parse(args);
  const [command, ...names] = positionals;
  if (values.help === true) {
    process.stdout.write((command !== undefined && Object.hasOwn(helps, command) ? helps[command] : undefined) ?? help);
    return true;
  }
  const only = listFlag('only', values.only, invariants);
  const without = listFlag('without', values.without, ALL_FAULTS);
  const [world = 'fast'] = listFlag('world', values.world, WORLDS) ?? [];
  const [storage = 'fs'] = listFlag('storage', values.storage, STORAGES) ?? [];
  const options = { invariants: only, without, storage, seconds: numberFlag('seconds', values.seconds, SECONDS) };
  if (command === 'mutants') {
    const seeds = wholeFlag('seeds', values.seeds, 2_000, 1);
    const from = wholeFlag('from', values.from, 0);
    return runMutants({ world, storage, names, alone: values.alone === true, seeds, from, invariants: only });
  }
  if (command === 'check') return check(names, values.model);
  if (command !== undefined)
    throw new UsageError(`There is no command ${JSON.stringify(command)}. Commands: mutants, check.`);
  if (values.seed !== undefined) {
    return runOne(world, wholeFlag('seed', values.seed, 0), values.trace === true, options);
  }
  if (values.trace === true) throw new UsageError('--trace prints one world, so it needs --seed.');
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
  process.stderr.write(`${error.message} See: ${COMMAND} --help\n`);
  process.exitCode = 2;
}
