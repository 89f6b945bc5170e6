import { describe, expect, it } from 'vitest';
import {
  MemoryNetwork,
  type Identity,
  type Message,
  type Received,
  type ServerId,
  type Transport,
} from '@kontiki/core';
import { FRAMING, MAX_FRAME, messageLength } from '@kontiki/core/wire';
import { collect, testTransport, VirtualClock } from '@kontiki/testing';

// Shows that `testTransport` passes a correct transport and detects faulty ones. The first failing
// test of each faulty transport must be the test for its fault.

type Receive = (from: ServerId, message: Received) => void;

/**
 * A correct transport that forwards all calls to another transport. Each faulty transport overrides
 * one of its methods.
 */
class Wrapped implements Transport {
  readonly inner: Transport;
  readonly clock: VirtualClock;
  closed = false;

  constructor(inner: Transport, clock: VirtualClock) {
    this.inner = inner;
    this.clock = clock;
  }

  start(self: Identity, receive: Receive): Promise<void> {
    return this.inner.start(self, receive);
  }

  send(to: ServerId, messages: readonly Message[]): void {
    this.inner.send(to, messages);
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.inner.setPeers(peers);
  }

  close(): Promise<void> {
    this.closed = true;
    return this.inner.close();
  }
}

class AltersMessages extends Wrapped {
  override send(to: ServerId, messages: readonly Message[]): void {
    super.send(
      to,
      messages.map((one) => (one.kind === 'heartbeatReply' ? { ...one, full: false } : one)),
    );
  }
}

class NamesWrongSender extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start(self, (_, message) => receive(self.server, message));
  }
}

/** A faulty transport that sends every fifth append after the append that follows it. */
class ReordersAppends extends Wrapped {
  #held: Message[] = [];
  #count = 0;

  override send(to: ServerId, messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.kind === 'append' && (this.#count += 1) % 5 === 0) this.#held = [message];
      else super.send(to, message.kind === 'append' ? [message, ...this.#held.splice(0)] : [message]);
    }
  }
}

class DropsLargeMessages extends Wrapped {
  override send(to: ServerId, messages: readonly Message[]): void {
    super.send(
      to,
      messages.filter((message) => messageLength(message, FRAMING.max) < MAX_FRAME / 2),
    );
  }
}

class ThrowsAfterClose extends Wrapped {
  override send(to: ServerId, messages: readonly Message[]): void {
    if (this.closed) throw new Error('closed');
    super.send(to, messages);
  }
}

class IgnoresNewPeers extends Wrapped {
  #hasPeers = false;

  override setPeers(peers: ReadonlyMap<ServerId, string>): void {
    if (!this.#hasPeers) super.setPeers(peers);
    this.#hasPeers = true;
  }
}

class NeverRemovesPeers extends Wrapped {
  readonly #peers = new Map<ServerId, string>();

  override setPeers(peers: ReadonlyMap<ServerId, string>): void {
    for (const [id, address] of peers) this.#peers.set(id, address);
    super.setPeers(this.#peers);
  }
}

class IgnoresCluster extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start({ ...self, cluster: 'any' }, receive);
  }
}

class IgnoresGenesis extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start({ ...self, genesis: undefined }, receive);
  }
}

class IgnoresEpoch extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start({ ...self, epoch: undefined }, receive);
  }
}

class NeverLearnsEpoch extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start({ ...self, epoch: self.epoch ?? '' }, receive);
  }
}

/** A faulty transport that reads the identity only once, in `start`. */
class NeverLearnsGenesis extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start({ ...self, genesis: self.genesis ?? 1 }, receive);
  }
}

/** A faulty transport that delivers messages even after `close` if they arrived before it. */
class DeliversAfterClose extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start(self, (from, message) => this.clock.defer(() => receive(from, message)));
  }
}

/** A faulty transport that queues all messages for a peer that is down. */
class QueuesWithoutLimit extends Wrapped {
  static readonly running = new Map<ServerId, QueuesWithoutLimit>();
  readonly #queued = new Map<ServerId, Message[]>();

  override async start(self: Identity, receive: Receive): Promise<void> {
    await super.start(self, receive);
    QueuesWithoutLimit.running.set(self.server, this);
  }

  override send(to: ServerId, messages: readonly Message[]): void {
    const queued = [...(this.#queued.get(to) ?? []), ...messages];
    const isUp = QueuesWithoutLimit.running.get(to)?.closed === false;
    this.#queued.set(to, isUp ? [] : queued);
    if (isUp) super.send(to, queued);
  }
}

/** Returns the title of the first test that fails with a faulty transport. */
async function failing(Faulty: typeof Wrapped): Promise<string | undefined> {
  const runner = collect();
  testTransport(runner, {
    name: 'faulty',
    wire: () => {
      const clock = new VirtualClock();
      const network = new MemoryNetwork({ clock, latency: () => 1 });
      return {
        transport: () => new Faulty(network.transport(), clock),
        address: (_, id) => id,
        until: (condition) => clock.until(condition, 2_000),
      };
    },
    without: { hold: 'servers in one process cannot stop reading' },
  });
  for await (const { name, error } of runner.run()) if (error !== undefined) return name;
  return undefined;
}

describe('testTransport', () => {
  it('testTransport passes a correct transport', async () => {
    expect(await failing(Wrapped)).toBe(undefined);
  }, 30_000);

  it.each([
    ['alters messages', AltersMessages, 'send delivers messages of every kind unaltered'],
    ['names a wrong sender', NamesWrongSender, 'with the sender id'],
    ['reorders appends', ReordersAppends, 'send delivers appends in order'],
    ['drops large messages', DropsLargeMessages, 'messages of every size up to the largest frame'],
    ['throws after close', ThrowsAfterClose, 'before start and after close'],
    ['ignores new peers', IgnoresNewPeers, 'disconnects from servers that are no longer peers'],
    ['never removes peers', NeverRemovesPeers, 'disconnects from servers that are no longer peers'],
    ['accepts other clusters', IgnoresCluster, 'refuses a server of another cluster'],
    ['accepts other memberships', IgnoresGenesis, 'refuses a server bootstrapped with a different membership'],
    ['accepts other epochs', IgnoresEpoch, 'refuses a server left behind by a recovery'],
    ['never learns its epoch', NeverLearnsEpoch, 'accepts a new server of no epoch'],
    ['never learns its genesis', NeverLearnsGenesis, 'accepts a blank server'],
    ['delivers after close', DeliversAfterClose, 'drops the rest of the batch'],
    ['queues without limit', QueuesWithoutLimit, 'send bounds the queue for a peer that is down'],
  ])(
    'testTransport detects a transport that %s',
    async (_, Faulty, title) => {
      expect(await failing(Faulty)).toContain(title);
    },
    30_000,
  );
});
