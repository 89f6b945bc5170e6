import type { Applied, CallArguments, CommandsOf, Definition, QueriesOf, ReadOptions, ResultOf } from '@kontiki/core';
import type { CallOptions } from './call.js';
import { bodyOf, ClusterClient, type Change, type ClusterOptions, type WatchOptions } from './cluster-client.js';
import type { NodeResponse } from './http-client.js';
import { toJson } from './json.js';

export interface QueryOptions extends CallOptions, Pick<ReadOptions, 'consistency' | 'minIndex'> {}

/**
 * A client of a service that mounts `handler`. The type parameter is the service's state machine, of
 * which the client needs only the type: `new Client<typeof machine>({ urls })`.
 */
export class Client<D extends Definition> {
  readonly #cluster: ClusterClient;

  /** Throws `KONTIKI_BAD_OPTION` if an option is invalid. */
  constructor(options: ClusterOptions) {
    this.#cluster = new ClusterClient(options);
  }

  /**
   * Runs a command exactly once. Repeats it at other nodes until its deadline. Resolves with the
   * result, and with the position of the command's log entry.
   *
   * Rejects with the `CommandError` that the command throws, and otherwise with a `ClientError`. If
   * its code is `KONTIKI_UNKNOWN_OUTCOME`, the command was applied once or not at all.
   */
  async execute<Name extends keyof CommandsOf<D> & string>(
    name: Name,
    ...[input, { signal, timeout } = {}]: CallArguments<CommandsOf<D>[Name], CallOptions>
  ): Promise<Applied<ResultOf<CommandsOf<D>[Name]>>> {
    const request = requestOf('execute', name, toJson(input));
    return appliedIn(await this.#cluster.write(request, { signal, timeout }));
  }

  /**
   * Runs a query on one node. Resolves with its result, and with the position of the last entry whose
   * effects the query saw. Rejects with a `ClientError`.
   */
  async query<Name extends keyof QueriesOf<D> & string>(
    name: Name,
    ...[input, { consistency, minIndex, signal, timeout } = {}]: CallArguments<QueriesOf<D>[Name], QueryOptions>
  ): Promise<Applied<ResultOf<QueriesOf<D>[Name]>>> {
    const body = toJson(input, { consistency, minIndex });
    return appliedIn(await this.#cluster.read(requestOf('query', name, body), { signal, timeout }));
  }

  /**
   * Yields the current result of a query, and then each new result. A slow consumer receives only the
   * newest one. Goes on at another node if its node fails, and never yields an older result after a
   * newer one. Rejects with a `ClientError`.
   */
  watch<Name extends keyof QueriesOf<D> & string>(
    name: Name,
    ...[input, options]: CallArguments<QueriesOf<D>[Name], WatchOptions>
  ): AsyncGenerator<Change<ResultOf<QueriesOf<D>[Name]>>, void, void> {
    return this.#cluster.watch((minIndex) => requestOf('watch', name, toJson(input, { minIndex })), options);
  }

  /** Ends all calls, and closes all connections. */
  close(): void {
    this.#cluster.close();
  }
}

function requestOf(
  kind: 'execute' | 'query' | 'watch',
  name: string,
  body: string,
): Parameters<ClusterClient['write']>[0] {
  const headers = { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) };
  return { method: 'POST', path: `/${kind}/${encodeURIComponent(name)}`, body, headers };
}

function appliedIn<Result>(response: NodeResponse): Applied<Result> {
  const { index, term, result } = bodyOf<Applied<Result>>(response);
  return { index, term, result };
}
