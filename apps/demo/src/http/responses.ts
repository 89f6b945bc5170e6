import type { ServerResponse } from 'node:http';
import { isKontikiError, NotLeaderError, type ErrorCode, type Leader } from '@kontiki/core';

/** A request that is refused before it reaches the cluster. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Seconds a client should wait before it tries again. */
const RETRY_AFTER = { 'Retry-After': '1' };

export function answerJson(
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

function answerError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers?: Record<string, string>,
): void {
  answerJson(response, status, { error: { code, message } }, headers);
}

/** How each way a call can end is said over HTTP. What is not named here is a fault of the server: 500. */
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

/** Sends a client to the leader. The address is the membership's, never one that a request names. */
function redirect(response: ServerResponse, leader: Leader, path: string): void {
  response.writeHead(307, { Location: leader.metadata + path, 'Content-Length': 0 });
  response.end();
}

export function answerFailure(response: ServerResponse, path: string, error: unknown): void {
  if (error instanceof HttpError) {
    // What is left of a body that was refused is not read.
    const headers = response.req.complete ? {} : { Connection: 'close' };
    answerError(response, error.status, error.code, error.message, headers);
  } else if (error instanceof NotLeaderError && error.leader !== undefined && error.leader.metadata !== '') {
    redirect(response, error.leader, path);
  } else if (isKontikiError(error)) {
    const status = STATUS[error.code] ?? 500;
    answerError(response, status, error.code, error.message, status === 503 ? RETRY_AFTER : {});
  } else {
    answerError(response, 500, 'INTERNAL', 'The node failed to answer; its log says more.');
  }
}
