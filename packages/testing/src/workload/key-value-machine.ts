import type { ApplyBatch, Owner, RestorePoint, StateMachine } from '@kontiki/core';
import type { Folder } from '@kontiki/files';

/** A command, which sets or deletes a value, compares and sets it, or appends to a list. */
export type KeyValueCommand =
  | { readonly type: 'write'; readonly key: string; readonly value: string | null }
  | { readonly type: 'cas'; readonly key: string; readonly expected: string | null; readonly value: string }
  | { readonly type: 'append'; readonly key: string; readonly value: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeCommand(command: KeyValueCommand): Uint8Array {
  return encoder.encode(JSON.stringify(command));
}

export function decodeCommand(data: Uint8Array): KeyValueCommand {
  return JSON.parse(decoder.decode(data)) as KeyValueCommand;
}

/** Values and lists by key. */
export interface KeyValues {
  readonly values: Map<string, string>;
  readonly lists: Map<string, string[]>;
}

/** Runs a command. Returns whether it took effect. */
export function runCommand({ values, lists }: KeyValues, command: KeyValueCommand): boolean {
  const { key, value } = command;
  if (command.type === 'append') {
    const list = lists.get(key);
    if (list === undefined) lists.set(key, [command.value]);
    else list.push(command.value);
    return true;
  }
  if (command.type === 'cas' && (values.get(key) ?? null) !== command.expected) return false;
  if (value === null) values.delete(key);
  else values.set(key, value);
  return true;
}

interface State {
  readonly values: [string, string][];
  readonly lists: [string, string[]][];
}

interface SavedState extends State {
  readonly through: number;
}

/** Bytes per chunk of a snapshot. The value is so small that snapshots have several chunks. */
const CHUNK = 200;

/**
 * A state machine that maps keys to values and to lists. The result of a command tells whether it
 * took effect.
 */
export class KeyValueMachine implements StateMachine<boolean>, KeyValues {
  readonly values: Map<string, string> = new Map();
  readonly lists: Map<string, string[]> = new Map();

  apply({ entries }: ApplyBatch): boolean[] | Promise<boolean[]> {
    return entries.map(({ data }) => runCommand(this, decodeCommand(data)));
  }

  async *snapshot(): AsyncIterable<Uint8Array> {
    const bytes = encoder.encode(JSON.stringify(this.state));
    for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
  }

  async restore(chunks: AsyncIterable<Uint8Array>, _at: RestorePoint): Promise<void> {
    const parts: number[] = [];
    for await (const chunk of chunks) parts.push(...chunk);
    this.replaceState(JSON.parse(decoder.decode(new Uint8Array(parts))) as State);
  }

  protected get state(): State {
    return { values: [...this.values], lists: [...this.lists] };
  }

  protected replaceState({ values, lists }: State): void {
    this.values.clear();
    this.lists.clear();
    for (const [key, value] of values) this.values.set(key, value);
    for (const [key, list] of lists) this.lists.set(key, [...list]);
  }
}

const STATE = 'state';
const NEXT = 'next';

/**
 * A `KeyValueMachine` that occasionally saves its whole state and its index to a file, from which
 * it recovers.
 */
export class DurableKeyValueMachine extends KeyValueMachine {
  readonly #folder: Folder;
  readonly #random: () => number;
  #through = 0;

  constructor(folder: Folder, random: () => number) {
    super();
    this.#folder = folder;
    this.#random = random;
  }

  async open(_owner: Owner): Promise<number> {
    if (!(await this.#folder.list()).includes(STATE)) return 0;
    const file = await this.#folder.open(STATE);
    const text = decoder.decode(await file.read(0, await file.size()));
    await file.close();
    const saved = JSON.parse(text) as SavedState;
    this.replaceState(saved);
    this.#through = saved.through;
    return saved.through;
  }

  override async apply(batch: ApplyBatch): Promise<boolean[]> {
    const results = await super.apply(batch);
    this.#through = batch.through;
    if (this.#random() < 0.02) await this.#save();
    return results;
  }

  override async restore(chunks: AsyncIterable<Uint8Array>, at: RestorePoint): Promise<void> {
    await super.restore(chunks, at);
    this.#through = at.index;
    await this.#save();
  }

  async #save(): Promise<void> {
    const saved: SavedState = { through: this.#through, ...this.state };
    // Remove the leftovers of an interrupted save.
    await this.#folder.remove(NEXT);
    const file = await this.#folder.create(NEXT);
    file.write(encoder.encode(JSON.stringify(saved)), 0);
    await file.datasync();
    await file.close();
    await this.#folder.rename(NEXT, STATE);
    await this.#folder.sync();
  }
}
