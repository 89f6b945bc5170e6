/** How many callers append or propose at a time. */
export const WRITERS = [1, 64, 256] as const;

/** What a part of the benchmark is told. */
export interface Plan {
  /** A folder of its own, on the disk that is measured. */
  readonly path: string;
  readonly rounds: number;
  /** Of one measurement. */
  readonly milliseconds: number;
  /** Bytes of the state that snapshots are taken of. */
  readonly state: number;
  /** Shows how far it is. */
  readonly tell: (text: string) => void;
}
