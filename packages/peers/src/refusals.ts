import type { HandshakeErrorReason } from './handshake-error.js';
import type { ThrottledLogger } from './throttled-logger.js';

/** The reasons for which a server refuses a connection, a request, a response or a message. */
export type RefusalReason =
  | HandshakeErrorReason
  /** The TLS handshake failed. */
  | 'tls'
  /** There were too many connections without a completed handshake. */
  | 'unidentified'
  /** The other side sent something that is not HTTP, or an ambiguous request. */
  | 'http'
  /** The headers of a request or response were too large. */
  | 'headers'
  /** A client did not send anything in time, or did not send all headers of a request in time. */
  | 'timeout'
  /** The request has a method that no peer uses. */
  | 'method'
  /** The request is for a path that the server does not have. */
  | 'path'
  /** The request does not ask to open a WebSocket connection. */
  | 'upgrade'
  /** A message or a response was too large, had too many parts, or could not be decoded. */
  | 'frame';

/** A refused connection, request, response or message. A `HandshakeError` is also a `Refusal`. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
}

/** Counts refusals by reason. The set of reasons is fixed, so clients cannot add to it. */
export class Refusals {
  readonly #counts = new Map<RefusalReason, number>();

  count(reason: RefusalReason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  get byReason(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/** Counts and logs a refusal by this server. `from` is the address of the other machine. */
export function logRefusal(
  { logger, refusals }: { readonly logger: ThrottledLogger; readonly refusals: Refusals },
  { reason, message }: Refusal,
  from: string | undefined,
): void {
  refusals.count(reason);
  logger.log('warn', `refused ${reason}`, `refused a connection: ${message}`, { reason, from });
}

/**
 * Returns the refusal for an error from Node's HTTP parser, which parses the requests that a server
 * receives and the responses that a client receives. Returns undefined for any other error, such as
 * a lost connection.
 */
export function parserRefusal(code = ''): Refusal | undefined {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return { reason: 'headers', message: 'the headers of a request are too large.' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { reason: 'timeout', message: 'the headers of a request did not arrive in time.' };
    // The other side closed the connection in the middle of a request or response.
    case 'HPE_INVALID_EOF_STATE':
      return undefined;
    default:
      // These codes all come from Node's parser, so a client cannot influence the text.
      return code.startsWith('HPE_') ? { reason: 'http', message: `a request is not valid (${code}).` } : undefined;
  }
}
