import { ClientError, ClusterClient, type ClusterOptions, type NodeResponse } from '@kontiki/client';
import type { MembershipStep } from '@kontiki/core';
import { CliError, COMMAND, EXIT } from '../cli.js';
import type { MemberChange } from '../http/members-api.js';
import { messageIn } from './message.js';
import { reportWaiting } from './waiting.js';

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
  readonly #client: ClusterClient;
  readonly #stop: AbortSignal | undefined;

  /** Requests end early when `stop` is aborted. */
  constructor(options: ClusterOptions, stop?: AbortSignal) {
    this.#client = new ClusterClient({ ...options, timeout: LIMIT });
    this.#stop = stop;
  }

  async list(): Promise<MemberList> {
    return reportWaiting(LIMIT, async (onRetry) =>
      listIn(await this.#client.read({ method: 'GET', path: '/members' }, { signal: this.#stop, onRetry })),
    );
  }

  /** Resolves with the members after the change. */
  async change(change: MemberChange): Promise<MemberList> {
    const request = { method: 'POST', path: '/members', body: JSON.stringify(change) } as const;
    try {
      return await reportWaiting(LIMIT, async (onRetry) =>
        listIn(await this.#client.send(request, { signal: this.#stop, attemptTimeout: LIMIT, onRetry })),
      );
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'KONTIKI_UNKNOWN_OUTCOME') throw error;
      const text = `UNKNOWN: the change may have come into force. Print the members: ${COMMAND} member list`;
      throw new CliError(text, EXIT.unknown, { cause: error });
    }
  }

  close(): void {
    this.#client.close();
  }
}

function listIn({ status, body }: NodeResponse): MemberList {
  if (status !== 200) throw new CliError(messageIn(body));
  return JSON.parse(body.toString()) as MemberList;
}
