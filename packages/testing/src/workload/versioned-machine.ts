import { defineStateMachine, type CommandContext, type Definition } from '@kontiki/core';
import { runCommand, type KeyValueCommand, type KeyValues } from './key-value-machine.js';

export interface VersionedState extends KeyValues {
  /** The version of the machine whose commands may run on this state. */
  readonly version: number;
  /** A checksum of all commands so far, each with its index and the version that ran it. */
  checksum: number;
}

/** The result of a command. It differs if any earlier command ran with another version. */
export interface VersionedResult {
  readonly index: number;
  readonly version: number;
  readonly checksum: number;
  readonly done: boolean;
}

/**
 * Returns the typed state machine of a program that has the versions 1 to `version`. Commands and
 * migrations throw if the state has another version than they expect.
 */
export function versionedMachine(version: number): Definition<VersionedState> {
  const run = (state: VersionedState, command: KeyValueCommand, { index }: CommandContext): VersionedResult => {
    expectVersion(state, version);
    state.checksum = (Math.imul(state.checksum ^ index, 0x01000193) + version) >>> 0;
    return { index, version, checksum: state.checksum, done: runCommand(state, command) };
  };
  return defineStateMachine({
    version,
    previous: version === 1 ? undefined : versionedMachine(version - 1),
    initial: (): VersionedState => ({ version, checksum: 0, values: new Map(), lists: new Map() }),
    commands: { write: run, cas: run, append: run },
    migrate: (state) => {
      expectVersion(state, version - 1);
      return { ...state, version };
    },
  });
}

function expectVersion(state: VersionedState, version: number): void {
  if (state.version !== version) throw new Error(`the state has version ${state.version}, not ${version}`);
}
