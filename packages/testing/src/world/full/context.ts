import type { LogStore, ServerId, SnapshotStore } from '@kontiki/core';
import type { Environment, Workload } from '../../workload/workload.js';
import type { Mix } from '../mix.js';
import type { Schedule } from '../schedule.js';
import type { NodeChecks } from './checks.js';
import type { FaultTarget } from '../faults.js';
import type { OperatedNode } from './operated-node.js';
import type { SentFrame } from './transport.js';

/** Advances time by `span`, or until a condition is true. Returns false if it is still false. */
export type Elapse = (span: number, condition?: () => boolean) => Promise<boolean>;

/** The parts of a full world (a simulation of whole nodes) that its servers use. */
export interface NodeContext {
  readonly seed: number;
  readonly cluster: string;
  readonly schedule: Schedule;
  readonly mix: Mix;
  readonly checks: NodeChecks;
  readonly workload: Workload;
  readonly servers: readonly OperatedNode[];
  readonly makeLog: (environment: Environment) => LogStore;
  readonly makeSnapshots: ((environment: Environment) => SnapshotStore) | undefined;
  readonly trace: ((text: string) => void) | undefined;
  /** Mixes a number into the execution's hash. */
  readonly hash: (value: number) => void;
  /** Whether all injected faults have ended. */
  readonly healed: boolean;
  readonly carry: (from: ServerId, to: ServerId, sent: SentFrame) => void;
  /** Called when a server becomes leader. */
  readonly onElected: (server: FaultTarget) => void;
}
