import type { MembershipStep, RaftNode, ServerId } from '@kontiki/core';
import type { NodeChecks } from './checks.js';

/** The calls that operators make on a node. The node may refuse a call. */
export abstract class OperatedNode {
  abstract checks: NodeChecks;

  protected abstract operate(call: (node: RaftNode) => Promise<void>): void;

  change(steps: readonly MembershipStep[], force: boolean): void {
    this.operate(async ({ members }) => {
      await members.change(steps, { force });
      this.checks.counts.changes += 1;
    });
  }

  setLease(leaseMs: number): void {
    this.operate(async ({ members }) => {
      await members.setLease(leaseMs);
      this.checks.counts.changes += 1;
    });
  }

  transfer(to: ServerId | undefined): void {
    this.operate(async ({ members }) => {
      await members.transferLeadership(to);
      this.checks.counts.transfers += 1;
    });
  }
}
