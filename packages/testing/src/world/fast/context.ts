import type { MembershipEntry, Message, ServerId } from '@kontiki/core';
import type { Report } from '@kontiki/core/protocol';
import type { Random } from '../../random.js';
import type { Mix } from '../mix.js';
import type { ModelNetwork } from '../network.js';
import type { Schedule } from '../schedule.js';
import type { Bounds } from './bounds.js';
import type { Checks } from './checks.js';
import type { Copies } from './copies.js';
import type { ModelDisk } from './disk.js';

/** The parts of a fast world (a simulation of the protocol alone) that its servers use. */
export interface ServerContext {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly mix: Mix;
  /** The first entry of the cluster. */
  readonly first: MembershipEntry;
  readonly network: ModelNetwork<Message>;
  readonly bounds: Bounds;
  readonly checks: Checks;
  readonly copies: Copies;
  /** Reports an event. Undefined if the world is not traced. */
  readonly trace: ((text: string) => void) | undefined;
  /** Mixes a number into the execution's hash. */
  readonly hash: (value: number) => void;
  /** Whether all injected faults have ended. */
  readonly healed: boolean;
  /** Whether clients still send commands. */
  readonly writing: boolean;
  /** Checks the reports of a server's turn. */
  readonly checkReports: (
    server: { readonly id: ServerId; readonly disk: ModelDisk },
    reports: readonly Report[],
  ) => void;
}
