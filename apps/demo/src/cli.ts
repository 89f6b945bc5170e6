import { parseArgs, type ParseArgsConfig } from 'node:util';

/** What went wrong in the caller's own words or surroundings: one clear sentence, and an exit code. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export const EXIT = {
  failed: 1,
  /** The command line itself makes no sense. */
  usage: 2,
  /** No such key, or a condition that did not hold. */
  notFound: 3,
  /** The write may or may not be carried out. */
  unknown: 4,
  /** This node has lost its disk and stays out. */
  staysOut: 5,
} as const;

type Options = NonNullable<ParseArgsConfig['options']>;

export interface ParsedArgs {
  readonly values: Record<string, string | boolean | string[] | undefined>;
  readonly positionals: string[];
}

/** Parses flags; what is unknown or misses its value is a usage error that names the help. */
export function parse(
  command: string,
  args: string[],
  options: Options,
  positionals: readonly string[] = [],
): ParsedArgs {
  const help = `See: kontiki-demo ${command} --help`;
  let parsed;
  try {
    parsed = parseArgs({ args, options: { ...options, help: { type: 'boolean' } }, allowPositionals: true });
  } catch (error) {
    // Node's advice takes several lines, and ends with a full stop at times.
    const text = (error as Error).message.replace(/\s+/g, ' ').replace(/\.$/, '');
    throw new CliError(`${text}. ${help}`, EXIT.usage);
  }
  const values = Object.entries(parsed.values as ParsedArgs['values']);
  const empty = values.find(([, value]) => [value].flat().includes(''))?.[0];
  if (empty !== undefined) throw new CliError(`--${empty} takes a value that is not empty. ${help}`, EXIT.usage);
  const wants = parsed.values['help'] === true ? [] : positionals;
  if (parsed.positionals.length > positionals.length) {
    throw new CliError(
      `Unexpected argument ${JSON.stringify(parsed.positionals[positionals.length])}. ${help}`,
      EXIT.usage,
    );
  }
  if (parsed.positionals.length < wants.length) {
    throw new CliError(`${wants[parsed.positionals.length]} is missing. ${help}`, EXIT.usage);
  }
  return parsed as ParsedArgs;
}

/** A whole number from a flag, within bounds. */
export function wholeNumber(flag: string, value: unknown, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (typeof value === 'string' && /^[0-9]+$/.test(value) && number >= least && number <= most) return number;
  throw new CliError(
    `--${flag} takes a whole number from ${least} to ${most}, not ${JSON.stringify(value)}.`,
    EXIT.usage,
  );
}

/** Values of a flag that takes some words only. */
export function oneOf<Word extends string>(
  flag: string,
  values: readonly string[] | undefined,
  words: readonly Word[],
): readonly Word[] | undefined {
  const wrong = values?.find((value) => !words.includes(value as Word));
  if (wrong === undefined) return values as readonly Word[] | undefined;
  throw new CliError(`--${flag} takes ${words.join(', ')}, not ${JSON.stringify(wrong)}.`, EXIT.usage);
}
