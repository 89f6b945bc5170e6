import type { RaftNode } from '@kontiki/core';

/** What a load brought. */
export interface LoadResult {
  readonly commits: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

const command = new Uint8Array(256).fill(7);

/** Each proposer proposes 256 B, waits for the result, and proposes again. */
export async function load(node: RaftNode<number>, proposers: number, milliseconds: number): Promise<LoadResult> {
  const latencies: number[] = [];
  const begin = performance.now();
  const end = begin + milliseconds;
  const propose = async (): Promise<void> => {
    for (let at = performance.now(); at < end;) {
      await node.propose(command);
      const now = performance.now();
      latencies.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: proposers }, propose));
  const seconds = (performance.now() - begin) / 1_000;
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number => latencies[Math.floor(q * (latencies.length - 1))] ?? 0;
  return { commits: latencies.length, seconds, p50: quantile(0.5), p99: quantile(0.99) };
}
