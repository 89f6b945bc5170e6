import { parseArgs, type ParseArgsConfig } from 'node:util';
import { didYouMean } from './did-you-mean.js';

/**
 * The command that runs this program in a clone of the repository. Commands in the output start
 * with it, so that users can paste them.
 */
export const COMMAND = 'npx -y pnpm@10.34.9 kontiki-demo';

/** The command that builds this program in a clone of the repository and starts a cluster. */
export const DEMO_COMMAND = 'npx -y pnpm@10.34.9 demo';

/**
 * An expected failure. The command prints its message without a stack trace and exits with
 * `exitCode`.
 */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export const EXIT = {
  failed: 1,
  /** Exit code for an invalid command line. */
  usage: 2,
  /** Exit code if the key does not exist, or if the command's condition is not met. */
  notFound: 3,
  /** Exit code if the write may or may not have taken effect. */
  unknown: 4,
  /** Exit code of a node that does not start because it has lost its log. */
  staysOut: 5,
} as const;

type Options = NonNullable<ParseArgsConfig['options']>;

export interface ParsedArgs {
  readonly values: Record<string, string | boolean | string[] | undefined>;
  readonly positionals: string[];
}

/**
 * Parses flags and arguments. If one of them is unknown or incomplete, throws a usage error that
 * refers to the help.
 */
export function parse(
  command: string,
  args: string[],
  options: Options,
  positionals: readonly string[] = [],
): ParsedArgs {
  const help = `See: ${COMMAND} ${command} --help`;
  const known: Options = { ...options, help: { type: 'boolean', short: 'h' } };
  const parsed = parseArgs({ args, options: known, allowPositionals: true, strict: false, tokens: true });
  for (const token of parsed.tokens) {
    const problem = token.kind === 'option' ? problemOf(token, known) : undefined;
    if (problem !== undefined) throw new CliError(`${problem} ${help}`, EXIT.usage);
  }
  const required = parsed.values['help'] === true ? [] : positionals;
  if (parsed.positionals.length > positionals.length) {
    throw new CliError(
      `Unexpected argument ${JSON.stringify(parsed.positionals[positionals.length])}. ${help}`,
      EXIT.usage,
    );
  }
  if (parsed.positionals.length < required.length) {
    throw new CliError(`${required[parsed.positionals.length]} is missing. ${help}`, EXIT.usage);
  }
  return parsed as ParsedArgs;
}

interface OptionToken {
  readonly name: string;
  /** The flag as the user typed it. */
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/**
 * Returns why a flag is invalid, or undefined if it is valid. The messages of `parseArgs` itself
 * are hard to read.
 */
function problemOf({ name, rawName, value, inlineValue }: OptionToken, known: Options): string | undefined {
  const type = Object.hasOwn(known, name) ? known[name]?.type : undefined;
  if (type === undefined) {
    const names = Object.keys(known).map((flag) => `--${flag}`);
    return `There is no flag ${rawName}.${didYouMean(rawName, names)}`;
  }
  if (type === 'boolean') return value === undefined ? undefined : `${rawName} takes no value.`;
  // In `--data --nodes 5`, the folder is missing. Do not treat `--nodes` as the folder's name.
  const isFlag = inlineValue !== true && value?.startsWith('--') === true;
  return value === undefined || value === '' || isFlag ? `${rawName} needs a value.` : undefined;
}

/** Parses the value of a flag as a whole number from `min` to `max`. */
export function wholeNumber(flag: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (typeof value === 'string' && /^[0-9]+$/.test(value) && number >= min && number <= max) return number;
  throw new CliError(
    `--${flag} must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}.`,
    EXIT.usage,
  );
}

/** Checks that every value of a flag is one of `words`. */
export function oneOf<Word extends string>(
  flag: string,
  values: readonly string[] | undefined,
  words: readonly Word[],
): readonly Word[] | undefined {
  const wrong = values?.find((value) => !words.includes(value as Word));
  if (wrong === undefined) return values as readonly Word[] | undefined;
  throw new CliError(
    `--${flag} must be one of ${words.join(', ')}, not ${JSON.stringify(wrong)}.${didYouMean(wrong, words)}`,
    EXIT.usage,
  );
}

/** Quotes a word for a POSIX shell if it contains special characters. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
