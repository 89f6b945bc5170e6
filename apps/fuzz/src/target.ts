import type { Arbitrary } from 'fast-check';

/** A reader of untrusted bytes, as a function from an input to a result. */
export interface Target {
  readonly name: string;
  /** Description of the code under test, for the help. */
  readonly about: string;
  /** Returns valid inputs, made by the real encoders. The target must accept all of them. */
  seeds(): Promise<readonly Uint8Array[]> | readonly Uint8Array[];
  /**
   * Reads an input and returns whether the target accepted the input. Must not change the input.
   * Throws only errors for which `isExpected` returns true. Any other error is a finding.
   */
  run(input: Uint8Array): Promise<boolean> | boolean;
  /** Returns whether an error is one that the documentation allows for invalid input. */
  isExpected(error: unknown): boolean;
  /**
   * Corrects the checksums of a modified input in place, so that the target reads its fields. Most
   * inputs are repaired, because a wrong checksum would keep the target from reading further.
   */
  repair?(input: Uint8Array): void;
  /** Generates structured inputs that mutations of valid inputs are unlikely to produce. */
  readonly structured?: Arbitrary<Uint8Array>;
  /**
   * Number of bytes that one execution may allocate, in addition to 64 bytes per byte of input.
   * Default: 1 MiB.
   */
  readonly allocatedBytes?: number;
  /** Maximum length of an input. Default: 4,096 bytes. */
  readonly maxLength?: number;
  /** Closes everything that the executions opened. */
  close?(): Promise<void>;
}

/**
 * Runs a target with a copy of an input, and returns whether the target accepted it. A documented
 * error counts as a refusal. Rejects with any other error.
 */
export async function accepts(target: Target, input: Uint8Array): Promise<boolean> {
  try {
    return await target.run(input.slice());
  } catch (error) {
    if (target.isExpected(error)) return false;
    throw error;
  }
}

/** Encodes a string as an input. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Decodes an input to a string in which every byte is one character. */
export function textOf(input: Uint8Array): string {
  return Buffer.from(input).toString('latin1');
}

/**
 * Throws an error that no target expects, unless a condition is true. Used to detect that a reader
 * accepts an input that it must refuse.
 */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`A property does not hold: ${what}.`);
}
