import type { SnapshotMeta } from '@kontiki/core';

/**
 * The names of files: numbers and hexadecimal digits that were checked, padded so that they sort as they count. The name of
 * an unfinished one says how much of it is durable, so nobody has to guess after a crash.
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

/** What the name of an unfinished one says; undefined for any other file. */
export function parseUnfinished(name: string): { readonly id: string; readonly durable: number } | undefined {
  const [, id, durable] = UNFINISHED.exec(name) ?? [];
  return id === undefined ? undefined : { id, durable: Number(durable) };
}
