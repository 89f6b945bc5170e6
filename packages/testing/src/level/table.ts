/** A range of keys, as `abstract-level` passes it to a database. */
export interface Range {
  readonly gt?: Uint8Array | undefined;
  readonly gte?: Uint8Array | undefined;
  readonly lt?: Uint8Array | undefined;
  readonly lte?: Uint8Array | undefined;
  readonly reverse?: boolean | undefined;
  readonly limit?: number | undefined;
}

export type Pair = [key: Uint8Array, value: Uint8Array];

/** A map from keys to values, sorted by the bytes of the keys. */
export class Table {
  /**
   * Keys in ascending order, as strings with one character per byte. The strings sort like the
   * bytes.
   */
  readonly #keys: string[] = [];
  readonly #values = new Map<string, Uint8Array>();

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(textOf(key));
  }

  /** Sets the value of a key, or deletes the key if the value is undefined. */
  set(key: Uint8Array, value: Uint8Array | undefined): void {
    const text = textOf(key);
    const held = this.#values.has(text);
    if (value !== undefined) {
      if (!held) this.#keys.splice(this.#find(text), 0, text);
      this.#values.set(text, value);
    } else if (held) {
      this.#keys.splice(this.#find(text), 1);
      this.#values.delete(text);
    }
  }

  /** Returns the pairs that are currently in a range, in key order. */
  select({ gt, gte, lt, lte, reverse = false, limit = -1 }: Range): Pair[] {
    let [start, end] = [0, this.#keys.length];
    if (gte !== undefined) start = this.#find(textOf(gte));
    else if (gt !== undefined) start = this.#find(`${textOf(gt)}\0`);
    if (lt !== undefined) end = this.#find(textOf(lt));
    else if (lte !== undefined) end = this.#find(`${textOf(lte)}\0`);
    const keys = this.#keys.slice(start, Math.max(start, end));
    if (reverse) keys.reverse();
    if (limit >= 0) keys.splice(limit);
    return keys.map((text) => [bytesOf(text), this.#values.get(text) as Uint8Array]);
  }

  /** Returns the position of a key, or the position at which it would be inserted. */
  #find(text: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] as string) < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function textOf(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
