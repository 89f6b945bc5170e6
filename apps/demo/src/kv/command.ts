import { protocolError, Reader, textLength, Writer } from '@kontiki/core/wire';

/** Maximum length of a key in UTF-8 bytes, and of a value in bytes. */
export const MAX_KEY = 512;
export const MAX_VALUE = 1024 * 1024;
/** Maximum length of a command in bytes, with the head of a session record. */
export const MAX_COMMAND = 12 + MAX_KEY + MAX_VALUE + 32;

/** Condition that a key must meet for a command to take effect. */
export type Condition =
  | { readonly kind: 'always' }
  /** The key must exist, and its last write must be the command at this log index. */
  | { readonly kind: 'revision'; readonly revision: number }
  /** The key must not exist. */
  | { readonly kind: 'absent' };

/** A replicated command, which sets a key to a value or deletes the key. */
export type KvCommand = { readonly key: string; readonly condition: Condition } & (
  { readonly kind: 'put'; readonly value: Uint8Array } | { readonly kind: 'delete' }
);

const KINDS = ['put', 'delete'] as const;
const CONDITIONS = ['always', 'revision', 'absent'] as const;

/**
 * Encodes a command: kind (1 byte), condition (1), revision (8), length and text of the key, value.
 */
export function encodeCommand(command: KvCommand): Uint8Array {
  const value = command.kind === 'put' ? command.value : undefined;
  const writer = new Writer(10 + textLength(command.key) + (value?.length ?? 0));
  writer.u8(KINDS.indexOf(command.kind));
  writer.u8(CONDITIONS.indexOf(command.condition.kind));
  writer.u53(command.condition.kind === 'revision' ? command.condition.revision : 0);
  writer.text(command.key);
  if (value !== undefined) writer.raw(value);
  return writer.bytes;
}

/** Decodes a command. The value is a view of `bytes`. */
export function decodeCommand(bytes: Uint8Array): KvCommand {
  const reader = new Reader(bytes);
  const kind = KINDS[reader.u8()];
  const conditionKind = CONDITIONS[reader.u8()];
  const revision = reader.u53();
  const key = reader.text(MAX_KEY);
  if (kind === undefined || conditionKind === undefined) throw protocolError('A log entry is not a key/value command.');
  const condition: Condition = conditionKind === 'revision' ? { kind: 'revision', revision } : { kind: conditionKind };
  if (kind === 'put') return { kind, key, condition, value: reader.raw(reader.left) };
  return { kind, key, condition };
}
