import { membershipOf, type Entry } from '@kontiki/core';
import { VirtualClock, type SimulatedDisk } from '@kontiki/testing';
import { FileLog } from '../src/file-log.js';

export const owner = { cluster: 'test', server: 'a' };
/** A membership of feature level 0, as written by earlier versions. */
export const membership = membershipOf(
  ['a', 'b'].map((id) => [id, { address: `ws://${id}`, metadata: '' }]),
  [],
  0,
);

export function command(index: number, term: number, length = 20): Entry {
  return { kind: 'command', index, term, data: new Uint8Array(length).fill(index & 0xff) };
}

export const first: Entry = { kind: 'membership', index: 1, term: 1, membership };

/**
 * Returns a log on a simulated disk. The segments are small, so that the log has several of them.
 */
export function openLog(disk: SimulatedDisk, segmentBytes = 700): FileLog {
  return new FileLog(disk.folder, { segmentBytes, clock: new VirtualClock(), random: () => 0.5 });
}
