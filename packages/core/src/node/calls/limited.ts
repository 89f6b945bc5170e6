import type { KontikiError } from '../../errors.js';
import { badOption, isDuration, refuseNames, type Names } from '../options.js';
import { describe } from '../describe.js';
import { SystemClock } from '../system-clock.js';
import { abortedError, Calls, type CallOptions } from './calls.js';

export const callOptions: Names<CallOptions> = { signal: true, timeout: true };

/**
 * Returns an error if a call's options are invalid or its signal is aborted; undefined otherwise.
 * `known` contains the names of all options that the call accepts.
 */
export function refuseOptions(options: CallOptions, known: object = callOptions): KontikiError | undefined {
  if (typeof options !== 'object' || options === null)
    return badOption(`The options of a call must be an object, not ${describe(options)}.`);
  const unknown = refuseNames('options', options, known);
  if (unknown !== undefined) return unknown;
  const { signal, timeout } = options;
  if (timeout !== undefined && !isDuration(timeout))
    return badOption(`timeout must be a finite number of milliseconds above 0, not ${describe(timeout)}.`);
  if (signal === undefined) return undefined;
  if (typeof signal?.addEventListener !== 'function' || typeof signal.aborted !== 'boolean')
    return badOption(`signal must be an AbortSignal, not ${describe(signal)}.`);
  return signal.aborted ? abortedError(signal) : undefined;
}

/**
 * Runs a function with a deadline and an abort signal. The call rejects immediately when it times
 * out or is aborted. At the same time, the signal that was passed to the function is aborted with
 * the same error, so that the function stops at its next step.
 */
export async function limited<T>(
  calls: Calls,
  options: CallOptions,
  run: (signal: AbortSignal) => Promise<T>,
  known?: object,
): Promise<T> {
  const refused = refuseOptions(options, known);
  if (refused !== undefined) throw refused;
  const controller = new AbortController();
  const call = calls.open<T>(options.timeout ?? Infinity, options.signal);
  call.onGiveUp = (why): void => {
    controller.abort(why);
    call.reject(why);
  };
  run(controller.signal).then(
    (value) => call.resolve(value),
    (error: unknown) => call.reject(error),
  );
  return call.promise;
}

/**
 * Runs a function with a deadline and an abort signal, like `limited`, but for calls that do not
 * belong to a node.
 */
export async function limitedAlone<T>(
  options: CallOptions,
  run: (signal: AbortSignal) => Promise<T>,
  known?: object,
): Promise<T> {
  const calls = new Calls(new SystemClock());
  try {
    return await limited(calls, options, run, known);
  } finally {
    calls.stop();
  }
}

/** Settles like `promise`. If the signal is aborted first, rejects with the signal's reason. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    void Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}
