/** Returns a value as JSON that preserves bytes and maps. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, held: unknown) => {
    if (held instanceof Uint8Array) return { $bytes: Buffer.from(held).toString('base64') };
    return held instanceof Map ? { $map: [...(held as Map<unknown, unknown>)] } : held;
  });
}

/** Parses JSON that `toJson` returned. */
export function fromJson(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => {
    const { $bytes, $map } = (value ?? {}) as { $bytes?: string; $map?: [string, unknown][] };
    if ($bytes !== undefined) return new Uint8Array(Buffer.from($bytes, 'base64'));
    return $map === undefined ? value : new Map($map);
  });
}
