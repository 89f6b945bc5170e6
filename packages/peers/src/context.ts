import type { Identity, Message, ServerId } from '@kontiki/core';
import type { PeerLimits } from './limits.js';
import type { ThrottledLogger } from './throttled-logger.js';

/** What all parts of a started transport share. */
export interface Context {
  readonly self: Identity;
  readonly logger: ThrottledLogger;
  readonly limits: PeerLimits;
  readonly random: () => number;
  readonly receive: (from: ServerId, message: Message) => void;
}
