import { isKontikiError, type MembershipStep, type RaftNode, type ServerId } from '@kontiki/core';
import type { NodeChecks } from './checks.js';
import { ignoreViolation, Violation } from '../violation.js';
import type { Process } from './process.js';
import { MAX_VERSION } from './versions.js';

/** The calls that operators make on a node. The node may refuse a call. */
export abstract class OperatedNode {
  abstract readonly id: ServerId;
  abstract readonly process: Process | undefined;
  abstract readonly node: RaftNode | undefined;
  abstract checks: NodeChecks;
  /** The newest version of the state machine in the server's program. */
  version = 1;

  /** All servers of the world. */
  protected abstract get servers(): readonly OperatedNode[];

  /**
   * Returns the command that puts a version of the state machine in force. Undefined if the
   * version is in force already.
   */
  protected abstract raiseCommand(version: number): Uint8Array | undefined;

  change(steps: readonly MembershipStep[], force: boolean): void {
    this.#onAny(async ({ members }) => {
      await members.change(steps, { force });
      this.checks.counts.changes += 1;
    });
    this.#annotate();
  }

  /**
   * Makes a membership change that the checks recognize. If the call rejects with an error other than
   * an unknown outcome, the change must have no effect.
   */
  #annotate(): void {
    const { checks, id } = this;
    const metadata = `annotation ${(checks.annotations += 1)}`;
    this.#onAny(async ({ members }) => {
      await members.setMetadata(id, metadata).catch((error: unknown) => {
        if (!isKontikiError(error, 'KONTIKI_UNKNOWN_OUTCOME')) checks.refused.add(metadata);
        throw error;
      });
    });
  }

  setLease(leaseMs: number): void {
    this.#onAny(async ({ members }) => {
      await members.setLease(leaseMs);
      this.checks.counts.changes += 1;
    });
  }

  transfer(to: ServerId | undefined): void {
    this.#onAny(async ({ members }) => {
      await members.transferLeadership(to);
      this.checks.counts.transfers += 1;
    });
  }

  /** Installs a program with `by` more versions of the state machine. The next start uses it. */
  install(by: number): void {
    this.version = Math.min(MAX_VERSION, Math.max(1, this.version + by));
  }

  /**
   * Returns whether the node stopped because its program lacks a version of the state machine. A
   * server that is rolled back may receive entries or a snapshot of a later version.
   */
  protected lacksVersion(error: Error): boolean {
    return isKontikiError(error, 'KONTIKI_FORMAT') && this.version < this.checks.versions.highest;
  }

  /** Raises the version of the state machine to the newest one that every member has. */
  raiseVersion(): void {
    this.#operate(async (node) => {
      const to = node.members.commonBehavior();
      const command = this.raiseCommand(to);
      if (command === undefined) return;
      this.checks.versions.raises(node.status(), to);
      const { result } = await node.propose(command, { forward: false });
      // This command fails if another raise was applied first.
      if (!(result instanceof Object && 'error' in result)) this.checks.counts.raises += 1;
    });
  }

  /** Makes a call for this leader on any running member of its cluster, which delegates it. */
  #onAny(call: (node: RaftNode) => Promise<void>): void {
    const { checks, node: leader } = this;
    const { counts } = checks;
    const members = leader?.status().membership?.servers;
    const running = this.servers.filter(
      ({ id, node, checks: epoch }) => node !== undefined && epoch === checks && members?.has(id) === true,
    );
    (running[(counts.changes + counts.transfers) % running.length] ?? this).#operate(call);
  }

  /** Makes a call that the node may refuse, or that may fail because the node stops. */
  #operate(call: (node: RaftNode) => Promise<void>): void {
    const { node } = this;
    if (node === undefined) return;
    this.process?.enter(() => {
      const { invariants } = this.checks;
      call(node)
        .catch((error: unknown) => {
          if (error instanceof Violation) throw error;
          invariants.check('assertions', isKontikiError(error), () => `${this.id}: ${String(error)}`);
        })
        .catch(ignoreViolation);
    });
  }
}
