import { KontikiError, NotLeaderError, isKontikiError, type ErrorCode } from '../../errors.js';
import { messageOf } from '../../store/failure.js';
import type { Leader } from '../../log/server.js';
import type { CatchUpProgress } from './catch-up.js';
import { isCall, type MemberCall } from './member-calls.js';

/** Maximum size of an encoded request. The largest membership takes up less. */
export const MAX_REQUEST: number = 256 * 1024;

/** A call that the leader performs for another server, or a call to cancel. */
export type Request =
  | (MemberCall & { readonly options: Readonly<Record<string, unknown>> })
  /** Cancels the call that the same server delegated with this ticket. */
  | { readonly cancel: number };

/** The state or the outcome of a delegated call. */
export type Report =
  | { readonly kind: 'running'; readonly progress?: CatchUpProgress | undefined }
  /** The call returns the membership with this revision. */
  | { readonly kind: 'changed'; readonly revision: number }
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: ReportedError };

interface ReportedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause?: string | undefined;
  readonly leader?: Leader | undefined;
}

/** Encodes a request or a report as JSON. Throws if it contains a cycle or a BigInt. */
export function encode(value: Request | Report): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Decodes a request. Throws `KONTIKI_PROTOCOL` if the bytes are not a valid request. */
export function decodeRequest(bytes: Uint8Array): Request {
  const { cancel, name, args, options } = parse(bytes);
  if (Number.isSafeInteger(cancel)) return { cancel: cancel as number };
  if (!isCall(name) || !Array.isArray(args) || typeof options !== 'object' || options === null)
    throw new KontikiError('KONTIKI_PROTOCOL', 'The leader does not know the delegated call. Upgrade the leader.');
  return { name, args, options: options as Readonly<Record<string, unknown>> };
}

const REPORTS: readonly unknown[] = ['running', 'changed', 'returned', 'failed'] satisfies Report['kind'][];

/** Decodes a report. Throws `KONTIKI_PROTOCOL` if the bytes are not a valid report. */
export function decodeReport(bytes: Uint8Array): Report {
  const report = parse(bytes);
  const { code, message } = Object(report.error) as Readonly<Record<string, unknown>>;
  const isComplete =
    (report.kind !== 'failed' || (typeof code === 'string' && typeof message === 'string')) &&
    (report.kind !== 'changed' || Number.isSafeInteger(report.revision));
  if (isComplete && REPORTS.includes(report.kind)) return report as unknown as Report;
  throw new KontikiError('KONTIKI_PROTOCOL', 'The leader sent an invalid report of a delegated call.');
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(new TextDecoder().decode(bytes))) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new KontikiError('KONTIKI_PROTOCOL', 'A message about a delegated call is not JSON.', { cause: error });
  }
}

export function reportError(error: unknown): Report {
  // Any other error comes from arguments of a wrong type.
  const code = isKontikiError(error) ? error.code : 'KONTIKI_BAD_OPTION';
  const { cause, leader } = Object(error) as { readonly cause?: unknown; readonly leader?: Leader };
  const text = cause === undefined ? undefined : messageOf(cause);
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', error: { code, message, cause: text, leader } };
}

/** Returns the error that the leader reported. */
export function errorOf({ code, message, cause, leader }: ReportedError): KontikiError {
  if (code === 'KONTIKI_NOT_LEADER') return new NotLeaderError(message, leader);
  return new KontikiError(code, message, cause === undefined ? {} : { cause: new Error(cause) });
}
