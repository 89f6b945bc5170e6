import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

const toClose: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

/** Registers a function to run after the test. The functions run in reverse order. */
export function after(close: () => unknown): void {
  toClose.push(close);
}

/** A server on a port of its own. */
export interface TestServer {
  readonly url: string;
  readonly close: () => void;
}

export async function serve(listener: RequestListener): Promise<TestServer> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  after(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

/** Returns the URL of a port on which nothing listens. */
export async function closedUrl(): Promise<string> {
  const { url, close } = await serve(() => {});
  close();
  return url;
}

/** Sends a JSON response. */
export function answer(response: ServerResponse, status: number, body: unknown = {}): void {
  response.writeHead(status).end(JSON.stringify(body));
}

export const refusal = (code: string): unknown => ({ error: { code, message: `${code} happened.` } });

/** A node whose answers to commands are chosen by the test. It opens sessions 1, 2, 3 and so on. */
export class FakeNode {
  /** The session headers of the commands that have arrived. */
  readonly places: (string | undefined)[] = [];
  /** Answers the nth command. */
  onCommand: (response: ServerResponse, n: number) => void = (response) => answer(response, 200);
  /** Answers a request for a session. */
  onSession: (response: ServerResponse) => void = (response) => answer(response, 200, { session: (this.#opened += 1) });
  #opened = 0;

  readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    if (request.url === '/sessions') return this.onSession(response);
    const place = request.headers['kontiki-session'];
    this.onCommand(response, this.places.push(place as string | undefined));
  };
}
