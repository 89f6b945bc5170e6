import type { ServerId, Transport } from '@kontiki/core';
import type { Matchers, Runner } from './runner.js';
import { Servers, type Wire } from './servers.js';

/** An optional method of a `Wire`, which is the network of a transport test. */
export type WireAbility = 'hold';

export interface TransportSuite<T extends Transport> {
  /** The transport's name in test titles. */
  readonly name: string;
  /** Creates a network without servers. */
  readonly wire: () => Wire<T> | Promise<Wire<T>>;
  /**
   * Optional features that are not tested, each with the reason. The titles of skipped tests
   * contain the reason.
   */
  readonly without?: Readonly<Partial<Record<WireAbility, string>>> | undefined;
}

/** Number of message exchanges after which a message that has not arrived is considered dropped. */
export const ROUNDS = 10;

/** Functions that the parts of the suite use to register tests. */
export interface TransportTests<T extends Transport> {
  readonly expect: (actual: unknown) => Matchers;
  readonly test: (title: string, body: (servers: Servers<T>) => Promise<void>) => void;
  /**
   * Registers a test that needs the wire's method `hold`. Skips the test if `without` lists `hold`.
   */
  readonly testHold: (
    title: string,
    body: (servers: Servers<T>, hold: (id: ServerId, held: boolean) => void) => Promise<void>,
  ) => void;
}

export function transportTests<T extends Transport>(
  { it, expect, skip }: Runner,
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
      if (reason !== undefined) return skip(title, reason);
      test(title, (servers) => {
        const { wire } = servers;
        if (wire.hold !== undefined) return body(servers, wire.hold.bind(wire));
        throw new Error("The wire has no hold(). Add it, or give the reason: without: { hold: '…' }.");
      });
    },
  };
}
