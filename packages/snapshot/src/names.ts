import type { SnapshotMeta } from '@kontiki/core';

/**
 * Patterns of snapshot file names. The names contain only hexadecimal digits and padded numbers, so
 * they sort by index. The name of an unfinished snapshot contains the number of durable bytes, so
 * recovery need not guess which bytes survived a crash.
 */
const FINISHED = /^snapshot-(\d{16})-(\d{16})-([0-9a-f]{32})$/;
const UNFINISHED = /^snapshot-part-([0-9a-f]{32})-(\d{16})$/;

function padded(number: number): string {
  return `${number}`.padStart(16, '0');
}

export function finishedName({ last, id }: Pick<SnapshotMeta, 'last' | 'id'>): string {
  return `snapshot-${padded(last.index)}-${padded(last.term)}-${id}`;
}

export function isFinishedName(name: string): boolean {
  return FINISHED.test(name);
}

export function unfinishedName(id: string, durable: number): string {
  return `snapshot-part-${id}-${padded(durable)}`;
}

/** Parses the name of an unfinished snapshot. Returns undefined for any other name. */
export function parseUnfinished(name: string): { readonly id: string; readonly durable: number } | undefined {
  const [, id, durable] = UNFINISHED.exec(name) ?? [];
  return id === undefined ? undefined : { id, durable: Number(durable) };
}
