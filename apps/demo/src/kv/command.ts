import { protocolError, Reader, textLength, Writer } from '@kontiki/core/wire';
import { readTransaction, transactionLength, writeTransaction, type Transaction } from './transaction.js';
import { MAX_KEY, MAX_VALUE, readTtl, type Write } from './write.js';

/**
 * Maximum length of a command in bytes. The last 4 KiB are for the lengths and numbers in a
 * transaction and for the head of a session record.
 */
export const MAX_COMMAND = MAX_KEY + MAX_VALUE + 4096;

/** Condition that a key must meet for a command to take effect. */
export type Condition =
  | { readonly kind: 'always' }
  /** The key must exist, and its last write must be the command at this log index. */
  | { readonly kind: 'revision'; readonly revision: number }
  /** The key must not exist. */
  | { readonly kind: 'absent' };

/** A replicated command that writes one key if the key meets a condition. */
export type KeyCommand = Write & { readonly condition: Condition };

/** A replicated command. */
export type KvCommand = KeyCommand | Transaction;

/**
 * The first byte of each command. A program stops with an error at a kind that it does not know.
 */
const KIND = { put: 0, delete: 1, putWithTtl: 2, transaction: 3 } as const;
const CONDITIONS = ['always', 'revision', 'absent'] as const;

/**
 * Encodes a command. A command for one key has these fields: kind (1 byte), condition (1),
 * revision (8), length and text of the key, time to live, and value. The time to live (8) is
 * present only if the key has one. For a transaction, the output of `writeTransaction` follows the
 * kind (1).
 */
export function encodeCommand(command: KvCommand): Uint8Array {
  if (command.kind === 'transaction') {
    const writer = new Writer(1 + transactionLength(command));
    writer.u8(KIND.transaction);
    writeTransaction(writer, command);
    return writer.bytes;
  }
  const { kind, key, condition } = command;
  const { value, ttl } = command.kind === 'put' ? command : {};
  const writer = new Writer(10 + textLength(key) + (ttl === undefined ? 0 : 8) + (value?.length ?? 0));
  writer.u8(ttl === undefined ? KIND[kind] : KIND.putWithTtl);
  writer.u8(CONDITIONS.indexOf(condition.kind));
  writer.u53(condition.kind === 'revision' ? condition.revision : 0);
  writer.text(key);
  if (ttl !== undefined) writer.u53(ttl);
  if (value !== undefined) writer.raw(value);
  return writer.bytes;
}

/** Decodes a command. The values are views of `bytes`. */
export function decodeCommand(bytes: Uint8Array): KvCommand {
  const reader = new Reader(bytes);
  const kind = reader.u8();
  if (kind === KIND.transaction) return readTransaction(reader);
  const conditionKind = CONDITIONS[reader.u8()];
  const revision = reader.u53();
  const key = reader.text(MAX_KEY);
  if (kind > KIND.putWithTtl || conditionKind === undefined)
    throw protocolError('A log entry is not a key/value command.');
  const condition: Condition = conditionKind === 'revision' ? { kind: 'revision', revision } : { kind: conditionKind };
  if (kind === KIND.delete) return { kind: 'delete', key, condition };
  const ttl = kind === KIND.putWithTtl ? readTtl(reader) : undefined;
  return { kind: 'put', key, condition, ttl, value: reader.raw(reader.left) };
}
