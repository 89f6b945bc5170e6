import type { ServerResponse } from 'node:http';
import { isKontikiError, type ErrorCode, type Leader } from '@kontiki/core';

/** An error that is sent to the client as a response with this status and code. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Header with the seconds that a client should wait before retrying. */
const RETRY_AFTER = { 'Retry-After': '1' };

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers?: Record<string, string>,
): void {
  sendJson(response, status, { error: { code, message } }, headers);
}

/** HTTP status for each expected error code. Any other code is a server failure (500). */
const STATUS: Partial<Record<ErrorCode, number>> = {
  KONTIKI_NOT_LEADER: 503,
  KONTIKI_OVERLOADED: 503,
  KONTIKI_DISK_FULL: 503,
  KONTIKI_REPLACED: 503,
  KONTIKI_TIMEOUT: 503,
  KONTIKI_CLOSED: 503,
  KONTIKI_NO_SNAPSHOT: 404,
  KONTIKI_TOO_LARGE: 413,
  KONTIKI_UNKNOWN_OUTCOME: 504,
};

/**
 * Redirects a client to the leader. The host is taken from the membership, never from the request.
 */
function redirect(response: ServerResponse, leader: Leader, path: string): void {
  response.writeHead(307, { Location: leader.metadata + path, 'Content-Length': 0 });
  response.end();
}

/**
 * Sends the response to a failed request: a redirect if another node is the leader, otherwise an
 * error.
 */
export function sendFailure(response: ServerResponse, path: string, error: unknown): void {
  if (error instanceof HttpError) {
    // The rest of a refused request body is not read, so the connection cannot be reused.
    const headers = {
      ...(response.req.complete ? {} : { Connection: 'close' }),
      ...(error.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    };
    sendError(response, error.status, error.code, error.message, headers);
  } else if (
    isKontikiError(error, 'KONTIKI_NOT_LEADER') &&
    error.leader !== undefined &&
    error.leader.metadata !== ''
  ) {
    redirect(response, error.leader, path);
  } else if (isKontikiError(error)) {
    const status = STATUS[error.code] ?? 500;
    sendError(response, status, error.code, error.message, status === 503 ? RETRY_AFTER : {});
  } else {
    sendError(
      response,
      500,
      'INTERNAL',
      'The node failed to handle the request. Run it with KONTIKI_DEBUG=1 to log the reason.',
    );
  }
}
