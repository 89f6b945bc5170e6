// Shows that HttpTransport without `tls` checks certificates. Only a process with
// NODE_EXTRA_CA_CERTS trusts the server's authority, so the trusting peer runs in its own process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { Authority } from '../../peers/test/transports/certificates.js';
import { after, started, until } from './servers.js';

const PEER = fileURLToPath(new URL('https-peer.ts', import.meta.url));

/** Starts a TLS server with a certificate for its address, issued by an unknown authority. */
async function securedServer() {
  const authority = await Authority.create();
  const certificate = await authority.issue({ uris: [], names: ['localhost'], ips: ['127.0.0.1'] });
  const a = await started('a', { listen: undefined });
  const server = createServer(certificate, a.transport.handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { a, address: `https://127.0.0.1:${(server.address() as AddressInfo).port}/raft`, authority };
}

it('HttpTransport does not connect to a server with an untrusted certificate', async () => {
  const { a, address } = await securedServer();
  const b = await started('b');
  b.transport.setPeers(new Map([['a', address]]));
  await until(() => b.logged(/cannot connect to a: .* certificate/), 'the log line');
  expect([a.received, a.lines]).toEqual([[], []]);
});

it('HttpTransport connects to a server with a certificate in NODE_EXTRA_CA_CERTS', async () => {
  const { a, address, authority } = await securedServer();
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-https-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, authority.pem);
  const tsx = ['--import', import.meta.resolve('tsx'), '--conditions=@kontiki/source'];
  const peer = spawn(process.execPath, [...tsx, PEER, address], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: file },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  after(() => peer.kill('SIGKILL'));
  await until(() => a.tickets.includes(4711), 'a message over TLS', 60_000);
  expect(a.received[0]?.from).toBe('b');
});
