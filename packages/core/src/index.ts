export { entryBytes } from './log/entry.js';
export type { AppliedPosition, CommandEntry, Entry, MembershipEntry, NoopEntry, Position } from './log/entry.js';
export type { Leader, Member, ServerId, ServerInfo, StoreId } from './log/server.js';
export type { Ballot } from './log/ballot.js';
export type { StoreLife } from './log/store-life.js';
export { isVoter, membershipFault, membershipOf } from './log/membership.js';
export type { Membership, MembershipAt } from './log/membership.js';
export type { MembershipStep } from './log/membership-change.js';
export type { Message, Received, Unreadable } from './protocol/message.js';
export { KontikiError, NotLeaderError, isKontikiError } from './errors.js';
export type { ErrorCode, ErrorOf } from './errors.js';
export type { LogBase, LogState, LogStore, LogWrite, Owner, Repair } from './ports/log-store.js';
export type { SnapshotInfo, SnapshotMeta, SnapshotStore, SnapshotWriter } from './ports/snapshot-store.js';
export type { Announcement, Announcements, Identity, Transport } from './ports/transport.js';
export type { ApplyBatch, RestorePoint, StateMachine } from './ports/state-machine.js';
export type { SnapshotPolicy } from './node/snapshots/policy.js';
export type { Clock, Timer } from './ports/clock.js';
export { silentLogger } from './ports/logger.js';
export type { Logger } from './ports/logger.js';
export { bootstrap, createClusterId } from './node/start/bootstrap.js';
export type { BootstrapOptions } from './node/start/bootstrap.js';
export { moveServer } from './node/move/move.js';
export type { MoveOptions } from './node/move/move.js';
export type { MoveProgress, Stores } from './node/move/compare.js';
export { inspectServer } from './node/recover/inspect.js';
export type { InspectOptions, ServerContents } from './node/recover/inspect.js';
export { recoverServer } from './node/recover/recover.js';
export type { RecoverOptions, Recovery } from './node/recover/recover.js';
export { restoreServer } from './node/recover/restore.js';
export type { RestoreOptions } from './node/recover/restore.js';
export type { Members } from './node/members/members.js';
export type { CatchUpProgress } from './node/members/catch-up.js';
export type {
  CatchUpOptions,
  ChangeOptions,
  LeaseOptions,
  RaiseOptions,
  ReconcileOptions,
  TransferOptions,
} from './node/members/change-options.js';
export type { DesiredMember } from './node/members/reconcile.js';
export type { CallOptions } from './node/calls/calls.js';
export type { NodeOptions } from './node/options.js';
export type { Applied, ProposeOptions } from './node/calls/proposal.js';
export { RaftNode } from './node/raft-node.js';
export type { WhileLeaderOptions } from './node/calls/leadership.js';
export type { Read, ReadOptions } from './node/calls/read-queue.js';
export type { CloseOptions } from './node/hand-over.js';
export type { ListenerOptions } from './node/events/emitter.js';
export type { Committed, FeedOptions } from './node/events/feed.js';
export type { Watchable } from './node/events/watch.js';
export type { NodeEvents } from './node/events/events.js';
export type { SnapshotProgress } from './node/snapshots/progress.js';
export type { PeerStatus, Status, UnreadableStatus } from './node/status.js';
export { SystemClock } from './node/system-clock.js';
export type { ProgressState } from './protocol/progress.js';
export type { RoleName } from './protocol/role.js';
export type { Limits, Timings } from './protocol/settings.js';
export { MemoryLog } from './memory/memory-log.js';
export { MemorySnapshots } from './memory/memory-snapshots.js';
export { MemoryNetwork } from './memory/memory-network.js';
export type { MemoryNetworkOptions } from './memory/memory-network.js';
export type { CallArguments, CommandsOf, QueriesOf, ResultOf } from './machine/call-types.js';
export { CommandError, isCommandError } from './machine/command-error.js';
export { defineStateMachine } from './machine/definition.js';
export type {
  CommandContext,
  CommandOf,
  CompatibleCalls,
  Definition,
  DefinitionOptions,
  Expiry,
  SignatureOf,
  SignaturesOf,
  StateSnapshot,
} from './machine/definition.js';
export { jsonCodec } from './machine/json-codec.js';
export type { Codec } from './machine/json-codec.js';
export { Replica } from './machine/replica.js';
export type { Outcome } from './machine/outcome.js';
export type { StandardSchemaV1 } from './machine/standard-schema.js';
export { SessionClient } from './machine/sessions/session-client.js';
export type { SessionCall, SessionClientOptions, SessionOptions } from './machine/sessions/session-client.js';
export { SessionMachine } from './machine/sessions/session-machine.js';
export type { Refused } from './machine/sessions/session-machine.js';
export { commandOf } from './machine/sessions/record.js';
export type { SessionLimits } from './machine/sessions/record.js';
export type { ResultCodec } from './machine/sessions/results.js';
export { TypedNode } from './machine/typed-node.js';
export type { TypedNodeOptions } from './machine/typed-node.js';
