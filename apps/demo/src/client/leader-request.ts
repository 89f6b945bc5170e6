import { request, type Agent, type IncomingHttpHeaders } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Question {
  readonly method: 'GET' | 'PUT';
  /** The part behind the host: `/kv/greeting`. */
  readonly path: string;
  readonly body?: string | Uint8Array | undefined;
  readonly headers?: Record<string, string> | undefined;
}

/** How a question ended: with an answer and who gave it, surely refused, or unknown. */
export type Outcome =
  | { readonly kind: 'answered'; readonly answer: Answer; readonly by: string }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' };

/** Milliseconds after which a node is taken not to answer. */
const PATIENCE = 3_000;
const MAX_REDIRECTS = 3;

/** Asks one node over connections that are kept. */
export function send(url: string, { method, path, body, headers = {} }: Question, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method, agent, headers, timeout: PATIENCE }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => (text += data.toString()));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Asks once, the node that leads, whichever is asked first; whether to try again is the caller's to say. */
export async function ask(first: string, question: Question, agent: Agent): Promise<Outcome> {
  let url = first;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    let answer: Answer;
    try {
      answer = await send(url, question, agent);
    } catch (error) {
      return { kind: (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : 'unknown' };
    }
    if (answer.status === 503) return { kind: 'refused' };
    if (answer.status === 504) return { kind: 'unknown' };
    if (answer.status !== 307) return { kind: 'answered', answer, by: url };
    url = new URL(answer.headers.location ?? first).origin;
  }
  return { kind: 'refused' };
}

/** How a PUT ended. `leader`: the node that took it, to be asked first next time. */
export interface PutOutcome {
  readonly kind: 'done' | 'refused' | 'unknown';
  readonly leader?: string | undefined;
}

/** Sets a key. */
export async function put(first: string, key: string, value: string | Uint8Array, agent: Agent): Promise<PutOutcome> {
  const outcome = await ask(first, { method: 'PUT', path: `/kv/${key}`, body: value }, agent);
  if (outcome.kind !== 'answered') return outcome;
  return outcome.answer.status === 204 ? { kind: 'done', leader: outcome.by } : { kind: 'refused' };
}
