import { describe, expect, it } from 'vitest';
import { MemoryNetwork, type Identity, type Message, type ServerId, type Transport } from '@kontiki/core';
import { MAX_FRAME, messageLength } from '@kontiki/core/wire';
import { collect, testTransport, VirtualClock } from '@kontiki/testing';

type Receive = (from: ServerId, message: Message) => void;

/** A transport that hands everything to another one; faults override a part of it. */
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

class Altering extends Wrapped {
  override send(to: ServerId, messages: readonly Message[]): void {
    super.send(
      to,
      messages.map((one) => (one.kind === 'heartbeatReply' ? { ...one, full: false } : one)),
    );
  }
}

class Misnaming extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start(self, (_, message) => receive(self.server, message));
  }
}

/** Holds every fifth append back until the next one has left. */
class Reordering extends Wrapped {
  #held: Message[] = [];
  #count = 0;

  override send(to: ServerId, messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.kind === 'append' && (this.#count += 1) % 5 === 0) this.#held = [message];
      else super.send(to, message.kind === 'append' ? [message, ...this.#held.splice(0)] : [message]);
    }
  }
}

class Small extends Wrapped {
  override send(to: ServerId, messages: readonly Message[]): void {
    super.send(
      to,
      messages.filter((message) => messageLength(message) < MAX_FRAME / 2),
    );
  }
}

class Throwing extends Wrapped {
  override send(to: ServerId, messages: readonly Message[]): void {
    if (this.closed) throw new Error('closed');
    super.send(to, messages);
  }
}

class Forgetful extends Wrapped {
  #told = false;

  override setPeers(peers: ReadonlyMap<ServerId, string>): void {
    if (!this.#told) super.setPeers(peers);
    this.#told = true;
  }
}

/** Never lets go of a peer. */
class Clinging extends Wrapped {
  readonly #peers = new Map<ServerId, string>();

  override setPeers(peers: ReadonlyMap<ServerId, string>): void {
    for (const [id, address] of peers) this.#peers.set(id, address);
    super.setPeers(this.#peers);
  }
}

class Promiscuous extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start({ ...self, cluster: 'any' }, receive);
  }
}

class Unchecked extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start({ ...self, genesis: undefined }, receive);
  }
}

/** Reads the identity once. */
class Hasty extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start({ ...self, genesis: self.genesis ?? 1 }, receive);
  }
}

/** Goes on delivering what had arrived when it is closed. */
class Undead extends Wrapped {
  override start(self: Identity, receive: Receive): Promise<void> {
    return super.start(self, (from, message) => this.clock.defer(() => receive(from, message)));
  }
}

/** Keeps everything for whoever is not there. */
class Hoarding extends Wrapped {
  static readonly living = new Map<ServerId, Hoarding>();
  readonly #kept = new Map<ServerId, Message[]>();

  override async start(self: Identity, receive: Receive): Promise<void> {
    await super.start(self, receive);
    Hoarding.living.set(self.server, this);
  }

  override send(to: ServerId, messages: readonly Message[]): void {
    const waiting = [...(this.#kept.get(to) ?? []), ...messages];
    const there = Hoarding.living.get(to)?.closed === false;
    this.#kept.set(to, there ? [] : waiting);
    if (there) super.send(to, waiting);
  }
}

/** The first test that fails with a fault. */
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
    without: { hold: 'nobody in one process stops reading' },
  });
  for await (const { name, error } of runner.run()) if (error !== undefined) return name;
  return undefined;
}

describe('the suite for transports', () => {
  it('finds nothing without a fault', async () => {
    expect(await failing(Wrapped)).toBe(undefined);
  }, 30_000);

  it.each([
    [Altering, 'unaltered'],
    [Misnaming, 'from whom they are'],
    [Reordering, 'in the order in which they were sent'],
    [Small, 'every size up to the largest frame'],
    [Throwing, 'before start, and after close'],
    [Forgetful, 'lets go of servers that are no peers any more'],
    [Clinging, 'lets go of servers that are no peers any more'],
    [Promiscuous, 'refuses a server of another cluster'],
    [Unchecked, 'refuses a server begun with another list'],
    [Hasty, 'takes a blank server'],
    [Undead, 'receives nothing of a batch'],
    [Hoarding, 'keeps little'],
  ])(
    'notices %o: “%s”',
    async (Faulty, title) => {
      expect(await failing(Faulty)).toContain(title);
    },
    30_000,
  );
});
