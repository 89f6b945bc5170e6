import { KontikiError } from '../errors.js';
import { describe } from '../node/describe.js';
import { messageOf } from '../store/failure.js';
import type { Behavior } from './definition.js';
import { encodeJsonShared, jsonCodec } from './json-codec.js';
import { encodeCommand } from './record.js';
import { validate } from './standard-schema.js';

/**
 * Encodes a command for a version of the state machine, after `room` free bytes. Throws `KONTIKI_UNKNOWN_COMMAND` or
 * `KONTIKI_BAD_INPUT` if the command cannot be proposed.
 */
export function encodeProposal(
  { version, commands, codec }: Behavior,
  name: string,
  given: unknown,
  room = 0,
): Uint8Array {
  const command = commands.get(name);
  if (command === undefined) throw unknownCall(version, 'command', name);
  let input: Uint8Array | undefined;
  try {
    const valid = command.input === undefined ? given : validate(command.input, given);
    // The input is copied into the record, so its own memory may be shared.
    const encode = codec === jsonCodec ? encodeJsonShared : (of: unknown): Uint8Array => codec.encode(of);
    input = valid === undefined ? undefined : encode(valid);
    if (!(input === undefined || input instanceof Uint8Array))
      throw new TypeError('The codec must return a Uint8Array.');
  } catch (error) {
    const text = `The input of command ${name} was refused, and nothing was proposed. ${messageOf(error)}`;
    throw new KontikiError('KONTIKI_BAD_INPUT', text, { cause: error });
  }
  return encodeCommand({ version, name, input }, room);
}

/** Returns the error for a command or a query that a version does not have. */
export function unknownCall(version: number, kind: string, name: string): KontikiError {
  const text = `Version ${version} of the state machine, which is in force, has no ${kind} ${describe(name)}.`;
  return new KontikiError('KONTIKI_UNKNOWN_COMMAND', text);
}
