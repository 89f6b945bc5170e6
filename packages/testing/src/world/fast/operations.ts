import type { MembershipStep, Position, ServerId } from '@kontiki/core';
import type { Raft } from '@kontiki/core/protocol';
import type { ServerContext } from './context.js';

/** An operator's call, which runs during a server's turn. A call that is refused has no effect. */
export type Operation = (raft: Raft) => void;

type World = Pick<ServerContext, 'checks' | 'trace'>;

/** The calls that operators make on a server. */
export abstract class OperatedServer {
  abstract readonly id: ServerId;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Makes a call in the server's next turn. */
  protected abstract operate(operation: Operation): void;

  change(steps: readonly MembershipStep[], force: boolean): void {
    this.#change('changes', (raft) => raft.changeMembership(steps, { force }));
  }

  raiseLevel(): void {
    this.#change('raises', (raft) => raft.raiseLevel());
  }

  setLease(leaseMs: number): void {
    this.#change('changes', (raft) => raft.setLease(leaseMs));
  }

  transfer(to: ServerId | undefined): void {
    const { checks, trace } = this.#world;
    this.operate((raft) => {
      if (raft.transfer(to) !== undefined) return;
      checks.counts.transfers += 1;
      trace?.(`${this.id} hands over to ${raft.transferTarget}`);
    });
  }

  #change(counted: 'changes' | 'raises', call: (raft: Raft) => Position | { readonly refused: string }): void {
    const { checks, trace } = this.#world;
    this.operate((raft) => {
      if ('refused' in call(raft)) return;
      checks.counts[counted] += 1;
      trace?.(`${this.id} changes the membership: ${JSON.stringify(raft.log.membership)}`);
    });
  }
}
