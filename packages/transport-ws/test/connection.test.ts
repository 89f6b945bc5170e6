// Shows how a connection determines whether its peer is alive if the runtime provides no socket, as
// on Bun. An event emitter takes the place of the WebSocket.
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { silentLogger } from '@kontiki/core';
import { claimsOf, peerLimits, PeerSecurity, Refusals, SILENT_TICKS, ThrottledLogger } from '@kontiki/peers';
import { Connection } from '../src/connection.js';

class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  ping(): void {}
  terminate(): void {
    this.readyState = 3;
  }
}

it('a connection without a socket counts frames, and is closed when none arrive', () => {
  const self = { cluster: 'c-1', server: 'a', incarnation: 1, genesis: undefined, epoch: undefined };
  const hello = {
    cluster: 'c-1',
    from: 'b',
    to: 'a',
    incarnation: 2,
    genesis: undefined,
    epoch: undefined,
    framing: 1,
    addresses: undefined,
  };
  const context = {
    self,
    logger: new ThrottledLogger(silentLogger),
    limits: peerLimits(),
    random: Math.random,
    security: new PeerSecurity({}),
    refusals: new Refusals(),
    isMember: () => true,
    skippedKinds: new Set<string>(),
    dial: undefined,
    receive: () => {},
  };
  const ws = new FakeWebSocket();
  const callbacks = { onDrained: () => {}, onClosed: () => {} };
  const connection = new Connection(context, ws as unknown as WebSocket, null, hello, claimsOf(self), callbacks);
  for (let i = 0; i < 3 * SILENT_TICKS; i += 1) {
    ws.emit(i % 2 === 0 ? 'ping' : 'pong', Buffer.alloc(0));
    connection.tick(true);
  }
  expect(connection.isReady).toBe(true);
  for (let i = 0; i < SILENT_TICKS; i += 1) connection.tick(true);
  expect(connection.isReady).toBe(false);
});
