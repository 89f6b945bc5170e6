/** Numbers of concurrent callers that append or propose. */
export const WRITERS = [1, 64, 256] as const;

/** Settings of one part of the benchmark. */
export interface Plan {
  /** A folder for this part alone, on the disk to measure. */
  readonly path: string;
  readonly rounds: number;
  /** Duration of one measurement. */
  readonly milliseconds: number;
  /** Bytes of the state that snapshots are taken of. */
  readonly state: number;
  /** Prints which step is running. */
  readonly onProgress: (text: string) => void;
}
