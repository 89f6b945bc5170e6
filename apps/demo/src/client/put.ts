import { request, type Agent } from 'node:http';

/** How a PUT ended: done, surely refused, or unknown. `leader`: the node that took it, to be asked first next time. */
export interface PutOutcome {
  readonly kind: 'done' | 'refused' | 'unknown';
  readonly leader?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/** Milliseconds after which a node is taken not to answer. */
const PATIENCE = 3_000;
const MAX_REDIRECTS = 3;

/** Sends one request over connections that are kept. */
export function send(method: string, url: string, agent: Agent, body?: string | Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent, timeout: PATIENCE }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => (text += data.toString()));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body: text }),
      );
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sets a key once, at the node that leads, whichever is asked; whether to try again is the caller's to say. */
export async function put(first: string, key: string, value: string | Uint8Array, agent: Agent): Promise<PutOutcome> {
  let url = first;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    let answer: Answer;
    try {
      answer = await send('PUT', `${url}/kv/${key}`, agent, value);
    } catch (error) {
      return { kind: (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : 'unknown' };
    }
    if (answer.status === 204) return { kind: 'done', leader: url };
    if (answer.status === 504) return { kind: 'unknown' };
    if (answer.status !== 307) return { kind: 'refused' };
    url = new URL(answer.location ?? first).origin;
  }
  return { kind: 'refused' };
}
