import type { ServerId, Transport } from '@kontiki/core';
import type { Matchers, Runner } from './runner.js';
import { Servers, type Wire } from './servers.js';

/** An optional ability of a wire. */
export type WireAbility = 'hold';

export interface TransportSuite<T extends Transport> {
  /** The transport's name in the titles. */
  readonly name: string;
  /** Creates a wire without servers. */
  readonly wire: () => Wire<T> | Promise<Wire<T>>;
  /**
   * Abilities not to test, each with the reason. The titles of the skipped tests contain the
   * reason.
   */
  readonly without?: Readonly<Partial<Record<WireAbility, string>>> | undefined;
}

/** Number of exchanges within which a message that must not arrive would arrive. */
export const ROUNDS = 10;

/** Functions with which the parts of the suite register tests. */
export interface TransportTests<T extends Transport> {
  readonly expect: (actual: unknown) => Matchers;
  readonly test: (title: string, body: (servers: Servers<T>) => Promise<void>) => void;
  /** Registers a test on a wire with `hold`. Skips it if the suite is `without` that ability. */
  readonly testHold: (
    title: string,
    body: (servers: Servers<T>, hold: (id: ServerId, held: boolean) => void) => Promise<void>,
  ) => void;
}

export function transportTests<T extends Transport>(
  { it, expect }: Runner,
  suite: TransportSuite<T>,
): TransportTests<T> {
  const test: TransportTests<T>['test'] = (title, body) =>
    void it(title, async () => {
      const servers = new Servers(await suite.wire());
      try {
        await body(servers);
      } finally {
        await servers.close();
      }
    });
  return {
    expect,
    test,
    testHold: (title, body) => {
      const reason = suite.without?.hold;
      if (reason !== undefined) return void it(`skipped, since ${reason}: ${title}`, () => {});
      test(title, (servers) => {
        const { wire } = servers;
        if (wire.hold !== undefined) return body(servers, wire.hold.bind(wire));
        throw new Error("The wire has no hold(). Add it, or give the reason: without: { hold: '…' }.");
      });
    },
  };
}
