/** Throughput and latency of one run of `load`. */
export interface LoadResult {
  readonly commits: number;
  readonly seconds: number;
  /** Median commit latency in milliseconds. */
  readonly p50: number;
  /** 99th percentile of the commit latency in milliseconds. */
  readonly p99: number;
}

/** A command of 256 B. */
export const command: Uint8Array = new Uint8Array(256).fill(7);

/**
 * Runs `proposers` callers in parallel. Each caller repeatedly calls `commit`, which proposes a
 * command and waits for its result.
 */
export async function load(
  commit: () => Promise<unknown>,
  proposers: number,
  milliseconds: number,
): Promise<LoadResult> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + milliseconds;
  const propose = async (): Promise<void> => {
    for (let at = performance.now(); at < end;) {
      await commit();
      const now = performance.now();
      latencies.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: proposers }, propose));
  const seconds = (performance.now() - start) / 1_000;
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number => latencies[Math.floor(q * (latencies.length - 1))] ?? 0;
  return { commits: latencies.length, seconds, p50: quantile(0.5), p99: quantile(0.99) };
}
