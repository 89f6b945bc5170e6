/** Numbers of concurrent writers or proposers to measure. */
export const WRITERS = [1, 64, 256] as const;

/** Settings of one part of the benchmark. */
export interface Plan {
  /** A folder on the measured disk, used only by this part. */
  readonly path: string;
  readonly rounds: number;
  /** Duration of one measurement in milliseconds. */
  readonly milliseconds: number;
  /** Size of the state machine's state in bytes. */
  readonly state: number;
  /** Prints the current step of the benchmark. */
  readonly onProgress: (text: string) => void;
}
