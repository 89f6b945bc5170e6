import { isKontikiError, KontikiError } from '../errors.js';

/**
 * Returns an error and its causes, outermost first. Stops at an error that has already occurred in
 * the chain, because causes can be circular.
 */
function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = [];
  for (let at = error; at instanceof Error && !causes.includes(at); at = at.cause) causes.push(at);
  return causes;
}

/**
 * Returns the messages of an error and its causes. Database errors often give the reason only in a
 * cause. If `error` is not an `Error`, converts it to a string.
 */
export function messageOf(error: unknown): string {
  const causes = causesOf(error);
  return causes.length === 0 ? String(error) : causes.map(({ message }) => message).join(': ');
}

/** Returns whether an error or one of its causes has one of the given codes or names. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return causesOf(error).some(
    (at) => codes.includes(String((at as { code?: unknown }).code)) || codes.includes(at.name),
  );
}

/**
 * A kind of operating system failure. File systems report it with an error code, and IndexedDB with
 * an error name. LevelDB only passes on the system's error message.
 */
interface SystemFailure {
  readonly codes: readonly string[];
  readonly message: RegExp;
  /** The remedy for the failure, phrased as the start of a sentence. */
  readonly remedy: string;
}

const DISK_FULL: SystemFailure = {
  codes: ['ENOSPC', 'EDQUOT', 'QuotaExceededError'],
  message: /no space left on device|disk quota exceeded/i,
  remedy: 'Free some space on the disk',
};

const SYSTEM_FAILURES: readonly SystemFailure[] = [
  DISK_FULL,
  {
    codes: ['EIO'],
    message: /input\/output error/i,
    remedy: 'Check the disk and its connection',
  },
  {
    codes: ['EROFS'],
    message: /read-only file system/i,
    remedy: 'Check whether the disk is failing, and make its file system writable again',
  },
  {
    codes: ['EMFILE', 'ENFILE'],
    message: /too many open files/i,
    remedy: 'Raise the limit of open files (ulimit -n)',
  },
  {
    codes: ['EACCES', 'EPERM'],
    message: /permission denied|operation not permitted/i,
    remedy: 'Give the user of this process access to the file',
  },
];

function isFailure(error: unknown, { codes, message: pattern }: SystemFailure): boolean {
  return hasCode(error, ...codes) || causesOf(error).some(({ message }) => pattern.test(message));
}

/** Returns whether an error means that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  return isFailure(error, DISK_FULL);
}

/**
 * Returns whether an error has a known cause in the operating system, such as a full disk, and does
 * not concern the data itself.
 */
export function isSystemFailure(error: unknown): boolean {
  return SYSTEM_FAILURES.some((failure) => isFailure(error, failure));
}

/** Returns the remedy for a failure, phrased as the start of a sentence. */
export function remedyFor(error: unknown): string {
  const found = SYSTEM_FAILURES.find((failure) => isFailure(error, failure));
  return found?.remedy ?? 'Repair the disk or the database';
}

/**
 * Returns the error that a store reports when `action` fails, for example "open the log in
 * /data/a". Returns a `KontikiError` unchanged. Otherwise, the new error has the code
 * `KONTIKI_LOCKED` if `error` has it, and `KONTIKI_STORE_FAILED` if not.
 */
export function storeFailure(action: string, error: unknown): KontikiError {
  if (isKontikiError(error)) return error;
  const reason = messageOf(error);
  if (hasCode(error, 'KONTIKI_LOCKED')) return new KontikiError('KONTIKI_LOCKED', reason, { cause: error });
  return new KontikiError(
    'KONTIKI_STORE_FAILED',
    `Cannot ${action}: ${reason}. No acknowledged data was removed. ${remedyFor(error)}, then try again.`,
    { cause: error },
  );
}

/**
 * Returns the error for bytes that cannot be decoded even though their checksum is correct. Either
 * a newer version wrote these bytes, or they are damaged.
 */
export function undecodable(where: string, what: string, cause: unknown): KontikiError {
  if (!isKontikiError(cause, 'KONTIKI_FORMAT')) return corruptData(where, what, cause);
  return new KontikiError(
    'KONTIKI_FORMAT',
    `${where}: ${cause.message} Nothing was changed. Start this server with the version that wrote the data.`,
    { cause },
  );
}

/** Returns the error for damage to durable data which a server cannot repair on its own. */
export function corruptData(where: string, what: string, cause?: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_CORRUPT',
    `${where}: ${what}. The data was durable before, so acknowledged writes may be lost. Nothing was changed. Restore the data from a copy, or remove this server from the cluster and add a server with a new id.`,
    { cause },
  );
}
