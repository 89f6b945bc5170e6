import type { Arbitrary } from 'fast-check';

/** A reader of bytes from outside, as a function of bytes. */
export interface Target {
  readonly name: string;
  /** The code under test, for the help. */
  readonly about: string;
  /** Returns valid inputs, made by the real encoders. The target must accept every one of them. */
  seeds(): Promise<readonly Uint8Array[]> | readonly Uint8Array[];
  /**
   * Reads an input and returns whether it was accepted. Does not change it. Throws only errors for which `isExpected`
   * returns true. Any other error is a finding.
   */
  run(input: Uint8Array): Promise<boolean> | boolean;
  /** Returns whether an error is documented for invalid input. */
  isExpected(error: unknown): boolean;
  /**
   * Corrects the checksums of a modified input in place, so that its fields are read. Most inputs
   * are repaired, because the checksums would hide everything behind them.
   */
  repair?(input: Uint8Array): void;
  /** Structured inputs, which mutation of valid inputs would hardly find. */
  readonly structured?: Arbitrary<Uint8Array>;
  /** Bytes that one execution may allocate, in addition to 64 per byte of input. Default 1 MiB. */
  readonly allocatedBytes?: number;
  /** Maximum length of an input. Default 4,096 bytes. */
  readonly maxLength?: number;
  /** Releases everything that the executions opened. */
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

/** Encodes a text as an input. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Decodes an input to a text in which every byte is one character. */
export function textOf(input: Uint8Array): string {
  return Buffer.from(input).toString('latin1');
}

/** Throws an error that no target expects. Called if a reader accepts what it must refuse. */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`A property does not hold: ${what}.`);
}
