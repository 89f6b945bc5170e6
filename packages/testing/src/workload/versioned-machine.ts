import { defineStateMachine, type CommandContext, type Definition } from '@kontiki/core';
import { runCommand, type KeyValueCommand, type KeyValues } from './key-value-machine.js';

export interface VersionedState extends KeyValues {
  /** The version of the machine whose commands may run on this state. */
  readonly version: number;
  /** A checksum of all commands and expiries so far, each with the version that ran it. */
  checksum: number;
  /** The log times at which the checksum changes next, in ascending order. */
  readonly expiries: number[];
}

/** Milliseconds of log time from some commands until the checksum changes. */
const EXPIRES_AFTER = 300;

/**
 * The result of a command. The checksum differs if an earlier command ran with another version.
 */
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
  const run = (state: VersionedState, command: KeyValueCommand, { index, time }: CommandContext): VersionedResult => {
    expectVersion(state, version);
    mix(state, index, version);
    if (index % 8 === 0) state.expiries.push(time + EXPIRES_AFTER);
    return { index, version, checksum: state.checksum, done: runCommand(state, command) };
  };
  return defineStateMachine({
    version,
    previous: version === 1 ? undefined : versionedMachine(version - 1),
    initial: (): VersionedState => ({ version, checksum: 0, expiries: [], values: new Map(), lists: new Map() }),
    commands: { write: run, cas: run, append: run },
    expiry: {
      next: ({ expiries }) => expiries[0],
      expire: (state, time) => {
        expectVersion(state, version);
        while (state.expiries[0] === time) mix(state, state.expiries.shift() as number, version);
      },
    },
    migrate: (state) => {
      expectVersion(state, version - 1);
      return { ...state, version };
    },
  });
}

/** Changes the checksum of a state. */
function mix(state: VersionedState, number: number, version: number): void {
  state.checksum = (Math.imul(state.checksum ^ number, 0x01000193) + version) >>> 0;
}

function expectVersion(state: VersionedState, version: number): void {
  if (state.version !== version) throw new Error(`the state has version ${state.version}, not ${version}`);
}
