/**
 * The binary encoding that all transports and stores of Kontiki use. The encoding may change until
 * the first release.
 */
export { isId } from '../id.js';
export { crc32 } from './crc32.js';
export { entriesLength, readEntries, writeEntries } from './entries.js';
export {
  decodeFrame,
  encodeFrame,
  frameLength,
  FRAMING,
  MAX_FRAME,
  type Frame,
  type FrameOptions,
  type VersionRange,
} from './frame.js';
export { membershipLength, readMembership, writeMembership } from './membership.js';
export { messageLength } from './messages.js';
export { genesisOf } from './genesis.js';
export { protocolError, Reader } from './reader.js';
export { isStranger } from './stranger.js';
export {
  checkSnapshot,
  decodeSnapshot,
  encodeSnapshot,
  summarizeSnapshot,
  type SnapshotCompression,
  type SnapshotEncoding,
  type SnapshotSummary,
} from './snapshot.js';
export {
  MAX_SNAPSHOT_CHUNK,
  SnapshotChecker,
  TRAILER as SNAPSHOT_TRAILER,
  type SnapshotTrailer,
} from './snapshot-checker.js';
export { encodeSnapshotHead, MAX_SNAPSHOT_HEAD, metaOf, readSnapshotHead, type SnapshotHead } from './snapshot-head.js';
export { textLength, Writer } from './writer.js';
