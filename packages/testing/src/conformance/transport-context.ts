import type { ServerId, Transport } from '@kontiki/core';
import type { Matchers, Runner } from './runner.js';
import { Servers, type Wire } from './servers.js';

/** What a wire may be unable to do. */
export type WireAbility = 'hold';

export interface TransportSuite<T extends Transport> {
  /** Stands in the titles. */
  readonly name: string;
  /** A new wire, without servers. */
  readonly wire: () => Wire<T> | Promise<Wire<T>>;
  /** What is not to be tested, and why: the reason stands in the title of what is skipped. */
  readonly without?: Readonly<Partial<Record<WireAbility, string>>> | undefined;
}

/** Rounds in which what must not arrive has its chance to. */
export const ROUNDS = 10;

/** How the parts of the suite register their tests. */
export interface TransportTests<T extends Transport> {
  readonly expect: (actual: unknown) => Matchers;
  readonly test: (title: string, body: (servers: Servers<T>) => Promise<void>) => void;
  /** One on a wire that can hold up what is sent, or one whose title says why it is skipped. */
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
      const why = suite.without?.hold;
      if (why !== undefined) return void it(`skipped, since ${why}: ${title}`, () => {});
      test(title, (servers) => {
        const { wire } = servers;
        if (wire.hold !== undefined) return body(servers, wire.hold.bind(wire));
        throw new Error("The wire has no hold(). Give it one, or say why not: without: { hold: '…' }.");
      });
    },
  };
}
