import type { MembershipStep } from '@kontiki/core';
import { CliError, COMMAND, EXIT } from '../cli.js';
import type { MemberChange } from '../http/members-api.js';
import { errorMessageOf } from './error-message.js';
import type { HttpClient } from './http-client.js';
import { KvClient } from './kv-client.js';

/** The members of a cluster, as `/members` lists them. */
export interface MemberList {
  readonly revision: number | null;
  /** The feature level of the cluster, or null if the node does not know the members yet. */
  readonly level: number | null;
  readonly leader: string | null;
  readonly members: readonly { readonly id: string; readonly address: string; readonly part: 'voter' | 'learner' }[];
  /** The steps that `reconcile` has taken or would take. */
  readonly steps?: readonly MembershipStep[];
}

/**
 * Maximum duration of a membership change in milliseconds, including retries. It is long because a
 * new voter must first receive the log.
 */
const LIMIT = 70_000;

/**
 * Lists the members of a cluster, and changes them. Repeats requests that certainly had no effect.
 */
export class MembersClient {
  readonly #client: KvClient;

  /** Requests end early when `stop` is aborted. */
  constructor(http: HttpClient, urls: readonly string[], stop?: AbortSignal) {
    const onWaiting = (reason: string): void => {
      if (stop?.aborted !== true) process.stderr.write(`kontiki-demo: waiting for up to ${LIMIT} ms: ${reason}\n`);
    };
    this.#client = new KvClient(http, urls, LIMIT, onWaiting, stop);
  }

  list(): Promise<MemberList> {
    return this.#send({ method: 'GET', path: '/members' });
  }

  /** Resolves with the members after the change. */
  change(change: MemberChange): Promise<MemberList> {
    return this.#send({ method: 'POST', path: '/members', body: JSON.stringify(change) });
  }

  async #send(request: Parameters<KvClient['send']>[0]): Promise<MemberList> {
    const { status, body } = await this.#client.send(request).catch((error: unknown) => {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unknown) throw error;
      const text = `UNKNOWN: the change may have come into force. Print the members: ${COMMAND} member list`;
      throw new CliError(text, EXIT.unknown, { cause: error });
    });
    if (status !== 200) throw new CliError(errorMessageOf(body.toString()));
    return JSON.parse(body.toString()) as MemberList;
  }
}
