import type { ServerResponse } from 'node:http';
import { statusOf } from '@kontiki/client/server';
import { isKontikiError, type ErrorCode, type Leader } from '@kontiki/core';

/** An error that is sent to the client as a response with the error's status and code. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Header with the number of seconds that a client should wait before retrying. */
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

/** Replacement messages for errors whose own messages may contain paths. */
const MESSAGE: Partial<Record<ErrorCode, string>> = {
  KONTIKI_DISK_FULL: 'The disk of the node is full. Free some space, then try again.',
  KONTIKI_CLOSED: 'The node is stopping or has failed. Try another node.',
};

/**
 * Whether the response explains the failure to the client. All other failures are explained only in
 * the node's log.
 */
export function isExplained(error: unknown): boolean {
  return error instanceof HttpError || (isKontikiError(error) && statusOf(error.code) !== undefined);
}

/** Redirects a client to the leader. The host comes from the membership, never from the request. */
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
  } else if (isKontikiError(error) && statusOf(error.code) !== undefined) {
    const status = statusOf(error.code) as number;
    const message = MESSAGE[error.code] ?? error.message;
    sendError(response, status, error.code, message, status === 503 ? RETRY_AFTER : {});
  } else {
    const code = isKontikiError(error) ? error.code : 'INTERNAL';
    sendError(response, 500, code, 'The node failed to handle the request. Its log has the reason.');
  }
}
