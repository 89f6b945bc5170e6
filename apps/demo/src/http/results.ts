import type { ServerResponse } from 'node:http';
import type { KvCommand } from '../kv/command.js';
import type { FailedComparison, KvResult } from '../kv/machine.js';
import { HttpError, sendJson } from './responses.js';

/** Sends the response to a command. Throws an `HttpError` if the command was refused. */
export function sendResult(response: ServerResponse, command: KvCommand, result: KvResult): void {
  switch (result.kind) {
    case 'written':
      response.writeHead(204, { ETag: `"${result.revision}"` });
      response.end();
      return;
    case 'deleted':
      response.writeHead(204);
      response.end();
      return;
    case 'absent':
      throw new HttpError(404, 'ABSENT', 'There is no such key.');
    case 'conflict':
      return sendConflict(response, result.revision);
    case 'timeless':
      throw new HttpError(
        409,
        'LEVEL',
        'A key with a time to live needs feature level 2, but the cluster has a lower level. Nothing was written. Upgrade all nodes, raise the level with `kontiki-demo member raise`, and try again.',
      );
    case 'committed':
      return sendJson(response, 200, { revision: result.revision, results: result.effects });
    case 'failed':
      return sendFailed(response, command, result.comparisons);
  }
}

function sendConflict(response: ServerResponse, revision: number | undefined): void {
  const message = revision === undefined ? 'The key does not exist.' : `The key is at revision ${revision}.`;
  const headers = revision === undefined ? {} : { ETag: `"${revision}"` };
  sendJson(response, 412, { error: { code: 'CONFLICT', message } }, headers);
}

/**
 * Sends the response to a transaction with a failed comparison. A result contains positions
 * instead of keys, because sessions keep results in memory and keys can be long.
 */
function sendFailed(response: ServerResponse, command: KvCommand, comparisons: readonly FailedComparison[]): void {
  const compare = command.kind === 'transaction' ? command.compare : [];
  const failed = comparisons.map(({ position, revision }) => ({ key: compare[position]?.key, revision }));
  const states = failed.map(({ key, revision }) => {
    return `${JSON.stringify(key)} ${revision === null ? 'does not exist' : `is at revision ${revision}`}`;
  });
  const message = `Nothing was written, because a comparison failed: ${states.join(', ')}.`;
  sendJson(response, 412, { error: { code: 'CONFLICT', message }, failed });
}
