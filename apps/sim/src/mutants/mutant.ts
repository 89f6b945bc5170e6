/** A bug that is injected by replacing part of a source file. */
export interface Mutant {
  /** A sentence that says what the buggy code does wrong. */
  readonly name: string;
  /** The package that contains the file. Default: `core`. */
  readonly package?: 'core' | 'snapshot' | 'storage-fs' | 'storage-level' | 'testing' | undefined;
  /** Path of the file in the package's `src`. */
  readonly file: string;
  /** The text to replace. Must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /**
   * The reason why the changed code behaves like the correct code. An equivalent mutant runs only
   * if the command line names the mutant.
   */
  readonly equivalent?: string | undefined;
  /** The reason why worlds rarely trigger the bug, and the test file that finds it instead. */
  readonly rare?: { readonly why: string; readonly test: string } | undefined;
}

/** Returns the source with the bug. Throws unless the text to replace occurs exactly once. */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(
      `mutant "${name}": its find text occurs ${parts.length - 1} times in ${file}, not once. Update the mutant to match the code.`,
    );
  return parts.join(replace);
}
