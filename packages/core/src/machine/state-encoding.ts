import { KontikiError } from '../errors.js';
import { timeSlices } from '../node/time-slice.js';
import type { Clock } from '../ports/clock.js';
import { isPlainArray, isPlainObject, notPlain } from './plain.js';

/**
 * Size at which a line of the encoding ends. A string counts as its number of characters, and any
 * other token counts as 8.
 */
const LINE_SIZE = 64 * 1024;

/**
 * A part of an encoded state, in depth-first order. Strings, booleans, null and finite numbers are
 * encoded as the same JSON values. All other parts are encoded as marks:
 *
 * - `['{']`, `['[']`, `['map']`, `['set']` and `['null']` open an object, an array, a `Map`, a
 *   `Set` and an object without a prototype. Alternating keys and values follow (for arrays and
 *   sets, only values), and then `[]`.
 * - `['ref', n]` is another reference to the object that was opened as number n, so that shared
 *   objects are still shared after decoding.
 * - `['number', text]`, `['bigint', text]` and `['undefined']` are values that JSON does not
 *   support.
 */
type Token = string | number | boolean | null | readonly [mark?: string, detail?: number | string];

const [OBJECT, ARRAY, MAP, SET, NULL_OBJECT, END] = [['{'], ['['], ['map'], ['set'], ['null'], []] as const;

/**
 * Encodes plain data as lines, each of which is a JSON array of tokens. Encodes the whole state
 * before yielding the first chunk, so that the state may change afterward. Works in time slices.
 * Throws a TypeError if a part of the state is not plain data.
 */
export async function* encodeState(state: unknown, clock: Pick<Clock, 'now' | 'defer'>): AsyncGenerator<Uint8Array> {
  const utf8 = new TextEncoder();
  const chunks: Uint8Array[] = [];
  const pause = timeSlices(clock);
  for (const line of linesOf(state)) {
    chunks.push(utf8.encode(`${JSON.stringify(line)}\n`));
    await pause();
  }
  yield* chunks;
}

/**
 * Encodes plain data like `encodeState`, but as one string. Throws a TypeError if a part of the
 * value is not plain data.
 */
export function encodePlain(value: unknown): string {
  // Most results are primitives. They need no stack.
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return `[${value as number}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify([primitive(value, [])]);
  return [...linesOf(value)].map((line) => JSON.stringify(line)).join('\n');
}

/** Decodes the output of `encodePlain`. Throws an error if the text is invalid. */
export function decodePlain(text: string): unknown {
  const decoder = new LineDecoder();
  for (const line of text.split('\n')) decoder.read(line);
  return decoder.end();
}

/** Throws a TypeError if a part of a state is not plain data. */
export function checkPlain(state: unknown): void {
  for (const _ of linesOf(state));
}

/** A container whose parts are being encoded. */
interface Open {
  /** The values of an array or a set. For any other container, alternating keys and values. */
  readonly parts: readonly unknown[];
  readonly hasKeys: boolean;
  /** Number of parts whose encoding has started. */
  at: number;
}

/**
 * Returns the tokens of a value, line by line. Uses no recursion, because states may be nested
 * deeply.
 */
function* linesOf(root: unknown): Generator<readonly Token[], void> {
  const numbers = new Map<object, number>();
  const stack: Open[] = [{ parts: [root], hasKeys: false, at: 0 }];
  let line: Token[] = [];
  let size = 0;
  for (let open = stack.at(-1); open !== undefined; open = stack.at(-1)) {
    if (open.at === open.parts.length) {
      stack.pop();
      if (stack.length > 0) line.push(END);
      continue;
    }
    const value = open.parts[open.at];
    open.at += 1;
    size += typeof value === 'string' ? value.length : 8;
    if (typeof value !== 'object' || value === null) line.push(primitive(value, stack));
    else {
      const number = numbers.get(value);
      if (number === undefined) {
        numbers.set(value, numbers.size);
        const { mark, parts, hasKeys } = containerOf(value, stack);
        line.push(mark);
        stack.push({ parts, hasKeys, at: 0 });
      } else line.push(['ref', number]);
    }
    if (size < LINE_SIZE) continue;
    yield line;
    [line, size] = [[], 0];
  }
  yield line;
}

function primitive(value: unknown, stack: readonly Open[]): Token {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    if (Number.isFinite(value) && !Object.is(value, -0)) return value;
    return ['number', Object.is(value, -0) ? '-0' : String(value)];
  }
  if (typeof value === 'bigint') return ['bigint', String(value)];
  if (value === undefined) return ['undefined'];
  throw notPlain(value, keysOf(stack));
}

function containerOf(value: object, stack: readonly Open[]): Pick<Open, 'parts' | 'hasKeys'> & { mark: Token } {
  if (Array.isArray(value) && isPlainArray(value)) return { mark: ARRAY, parts: value, hasKeys: false };
  // Instances of subclasses of `Map` and `Set` are not accepted, because they would lose their
  // class.
  if (value instanceof Map && Object.getPrototypeOf(value) === Map.prototype)
    return { mark: MAP, parts: [...value].flat(), hasKeys: true };
  if (value instanceof Set && Object.getPrototypeOf(value) === Set.prototype)
    return { mark: SET, parts: [...value], hasKeys: false };
  if (Array.isArray(value) || !isPlainObject(value)) throw notPlain(value, keysOf(stack));
  const mark = Object.getPrototypeOf(value) === null ? NULL_OBJECT : OBJECT;
  const parts: unknown[] = [];
  for (const key of Object.keys(value)) parts.push(key, value[key]);
  return { mark, parts, hasKeys: true };
}

/** Returns the path of keys to the part that is being encoded. */
function keysOf([, ...stack]: readonly Open[]): unknown[] {
  return stack.map(({ parts, hasKeys, at }) => (hasKeys ? parts[at - 2] : at - 1));
}

/** A container whose parts are being decoded. */
interface Filling {
  readonly target: object;
  /** The key of an object or a map whose value is decoded next. */
  key: unknown;
  hasKey: boolean;
}

/**
 * Decodes the output of `encodeState`. Rejects with `KONTIKI_FORMAT` if the chunks contain any other
 * data.
 */
export async function decodeState(chunks: AsyncIterable<Uint8Array>): Promise<unknown> {
  const decoder = new LineDecoder();
  for await (const line of splitLines(chunks)) attempt(() => decoder.read(line));
  return attempt(() => decoder.end());
}

/** Runs a step of the decoder. Any error means that the state cannot be decoded. */
function attempt<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw undecodable(error);
  }
}

function undecodable(cause: unknown): KontikiError {
  const text = 'The state in the snapshot cannot be decoded: another kind of state machine wrote it.';
  return new KontikiError('KONTIKI_FORMAT', `${text} Nothing was changed. Use the program that wrote it.`, { cause });
}

/** Decodes the lines of a value, one by one. */
class LineDecoder {
  readonly #root: unknown[] = [];
  readonly #opened: object[] = [];
  readonly #stack: Filling[] = [{ target: this.#root, key: undefined, hasKey: false }];

  read(line: string): void {
    for (const token of JSON.parse(line) as readonly Token[]) {
      const filling = this.#stack.at(-1);
      if (filling === undefined) throw new TypeError('The encoded state has too many ends.');
      const [mark = '', detail] = typeof token === 'object' && token !== null ? token : ['value'];
      if (mark === '') {
        this.#stack.pop();
        continue;
      }
      const target = emptyContainer(mark);
      put(filling, target ?? (mark === 'value' ? token : valueOf(mark, detail, this.#opened)));
      if (target === undefined) continue;
      this.#opened.push(target);
      this.#stack.push({ target, key: undefined, hasKey: false });
    }
  }

  /** Returns the decoded value. Throws if the lines are incomplete. */
  end(): unknown {
    if (this.#root.length !== 1 || this.#stack.length !== 1) throw new TypeError('The encoded state is incomplete.');
    return this.#root[0];
  }
}

function emptyContainer(mark: string): object | undefined {
  if (mark === '{') return {};
  if (mark === '[') return [];
  if (mark === 'map') return new Map();
  if (mark === 'set') return new Set();
  return mark === 'null' ? (Object.create(null) as object) : undefined;
}

function valueOf(mark: string, detail: number | string | undefined, opened: readonly object[]): unknown {
  if (mark === 'undefined') return undefined;
  if (mark === 'number') return Number(detail);
  if (mark === 'bigint') return BigInt(detail ?? '');
  const value = mark === 'ref' ? opened[detail as number] : undefined;
  if (value === undefined) throw new TypeError(`The encoded state has the unknown mark ${mark}.`);
  return value;
}

function put(filling: Filling, value: unknown): void {
  const { target, key, hasKey } = filling;
  if (Array.isArray(target)) target.push(value);
  else if (target instanceof Set) target.add(value);
  else if (hasKey) {
    filling.hasKey = false;
    if (target instanceof Map) target.set(key, value);
    else if (key !== '__proto__') (target as Record<string, unknown>)[key as string] = value;
    // An assignment to `__proto__` would set the object's prototype.
    else Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    filling.key = value;
    filling.hasKey = true;
  }
}

async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (chunk?: Uint8Array): string => {
    try {
      return utf8.decode(chunk, { stream: chunk !== undefined });
    } catch (error) {
      throw undecodable(error);
    }
  };
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decode(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest + decode() !== '') throw undecodable(new TypeError('The encoded state ends within a line.'));
}
