import fc from 'fast-check';
import {
  bootstrap,
  MemoryLog,
  MemoryNetwork,
  MemorySnapshots,
  RaftNode,
  SessionMachine,
  silentLogger,
  type Refused,
} from '@kontiki/core';
import { KvApi } from 'kontiki-demo/http/api.js';
import { KvServer } from 'kontiki-demo/http/server.js';
import { SnapshotApi } from 'kontiki-demo/http/snapshot-api.js';
import { encodeCommand } from 'kontiki-demo/kv/command.js';
import { KvMachine, type KvResult } from 'kontiki-demo/kv/machine.js';
import { bytesOf, type Target } from '../target.js';
import { exchangeHttp } from './raw-server.js';

interface Demo {
  readonly node: RaftNode<KvResult | Refused>;
  readonly server: KvServer;
}

/** HTTP status of the response to a valid request whose condition is not met. */
const UNMET_CONDITION = 412;

const TRANSACTION =
  '{"compare":[{"key":"kept","revision":null}],"success":[{"put":"a","value":"YQ==","ttl":5},{"delete":"b"}]}';

let demo: Promise<Demo> | undefined;

/** Starts the HTTP interface of a node in memory. */
async function start(): Promise<Demo> {
  const log = new MemoryLog();
  await bootstrap(log, { cluster: 'fuzz', server: 'a', members: { a: 'memory:a' } });
  const [kv, snapshots, transport] = [new KvMachine(), new MemorySnapshots(), new MemoryNetwork().transport()];
  const machine = new SessionMachine(kv);
  const node = await RaftNode.open<KvResult | Refused>({
    id: 'a',
    cluster: 'fuzz',
    machine,
    log,
    snapshots,
    transport,
  });
  await node.waitForLeader();
  await node.propose(
    encodeCommand({ kind: 'put', key: 'kept', value: Buffer.from('abc'), condition: { kind: 'always' } }),
  );
  await node.snapshot();
  const api = new KvApi({
    node,
    machine: kv,
    snapshots: await SnapshotApi.open(node, snapshots),
    logger: silentLogger,
  });
  const server = new KvServer(api.handler);
  await server.listen(0, '127.0.0.1');
  return { node, server };
}

/**
 * Encodes a request. The server closes the connection after its response unless `isLast` is false.
 */
const request = (method: string, path: string, headers: readonly string[] = [], body = '', isLast = true): Uint8Array =>
  bytesOf(
    `${[`${method} ${path} HTTP/1.1`, 'Host: a', ...headers, ...(isLast ? ['Connection: close'] : [])].join('\r\n')}\r\n\r\n${body}`,
  );

const path = fc.oneof(
  fc.constantFrom(
    '/kv',
    '/kv/',
    '/kv/__proto__',
    '/kv/constructor',
    '/kv/%00',
    '/kv/%ff',
    '/kv/..%2f..',
    '/kv?prefix=%E0',
    '/kv?consistency=x',
    '/kv/a?ttl=1',
    '/kv/a?ttl=99999999999999999999',
    '/status',
    '/sessions',
    '/health',
    '/snapshot',
    '//evil/kv/a',
    '*',
    'http://evil/kv/a',
  ),
  fc.string({ unit: 'binary-ascii', maxLength: 12 }).map((text) => `/kv/${encodeURIComponent(text)}`),
);
const headers = fc.subarray(
  [
    'Content-Length: 3',
    'Content-Length: 4',
    'Content-Length: 1048577',
    `Content-Length: ${TRANSACTION.length}`,
    'Transfer-Encoding: chunked',
    'If-Match: "1"',
    'If-Match: "9007199254740993"',
    'If-Match: *',
    'Kontiki-Session: 1 2 1',
    'Kontiki-Session: 1 1 1',
    'Kontiki-Session: 99999999999999999 1 0',
    'If-None-Match: *',
    'Expect: 100-continue',
    'Upgrade: websocket',
  ],
  { maxLength: 2 },
);

export const demoHttp: Target = {
  name: 'demo-http',
  about: 'the client interface of the demo, over raw sockets on this machine',
  seeds: () => [
    request('PUT', '/kv/a', ['Content-Length: 3'], 'abc'),
    request('PUT', '/kv/a', ['Transfer-Encoding: chunked', 'If-None-Match: *'], '3\r\nabc\r\n0\r\n\r\n'),
    request('GET', '/kv/kept?consistency=local'),
    request('GET', '/kv?prefix=a'),
    request('DELETE', '/kv/kept', ['If-Match: "999"']),
    request('PUT', '/kv/a?ttl=60000', ['Content-Length: 3'], 'abc'),
    request('POST', '/kv', [`Content-Length: ${TRANSACTION.length}`], TRANSACTION),
    request('POST', '/snapshot'),
    request('GET', '/snapshot'),
    request('GET', '/status'),
    request('GET', '/health'),
  ],
  structured: fc
    .array(
      fc.tuple(
        fc.constantFrom('GET', 'PUT', 'DELETE', 'HEAD', 'POST', 'OPTIONS', 'CONNECT', 'PROPFIND'),
        path,
        headers,
        fc.constantFrom('', 'abc', '3\r\nabc\r\n0\r\n\r\n', TRANSACTION),
      ),
      { minLength: 1, maxLength: 4 },
    )
    .map(
      (requests) => new Uint8Array(Buffer.concat(requests.map((one, i) => request(...one, i === requests.length - 1)))),
    ),
  run: async (input) => {
    demo ??= start();
    const statuses = await exchangeHttp((await demo).server.port, input, { turns: 50 });
    return statuses.length > 0 && statuses.every((status) => status < 400 || status === UNMET_CONDITION);
  },
  isExpected: () => false,
  allocatedBytes: 16 * 1024 * 1024,
  close: async () => {
    const started = await demo;
    await Promise.all([started?.server.close(), started?.node.close()]);
  },
};
