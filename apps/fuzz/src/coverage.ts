import { Session } from 'node:inspector';

/** Paths of the files whose coverage guides the search. */
const CODE = /\/(packages\/[^/]+|apps\/demo)\/dist\//;

/** The blocks of code that executions have reached, measured by V8. */
export class Coverage {
  readonly #session = new Session();
  readonly #reached = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /**
   * Returns the blocks that were reached since the last call and that no earlier call has returned.
   */
  take(): Set<string> {
    const fresh = new Set([...this.#measure()].filter((block) => !this.#reached.has(block)));
    for (const block of fresh) this.#reached.add(block);
    return fresh;
  }

  /**
   * Returns whether any of `blocks` was reached since the last call. Removes the reached blocks
   * from `blocks`.
   */
  reaches(blocks: Set<string>): boolean {
    const before = blocks.size;
    for (const block of this.#measure()) blocks.delete(block);
    return blocks.size < before;
  }

  #measure(): Set<string> {
    const blocks = new Set<string>();
    // The callback is called before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error !== null) throw error;
      for (const { url, scriptId, functions } of taken.result) {
        if (!CODE.test(url)) continue;
        for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
          if (count > 0) blocks.add(`${scriptId} ${startOffset} ${endOffset}`);
        }
      }
    });
    return blocks;
  }
}
