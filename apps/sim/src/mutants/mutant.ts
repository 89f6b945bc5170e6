/** A bug that is put into the code by replacing a text in a source file. */
export interface Mutant {
  /** A sentence that states what the code with the bug does wrong. */
  readonly name: string;
  /** Default: core. */
  readonly package?: 'core' | 'snapshot' | 'storage-fs' | 'storage-level' | 'testing' | undefined;
  /** Path of the file in the package's `src`. */
  readonly file: string;
  /** The text to replace. Must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /**
   * The reason why the code with the bug behaves like the correct code. Such a mutant runs only if
   * it is named.
   */
  readonly equivalent?: string | undefined;
  /** The reason why worlds hardly ever trigger the bug, and the test file that finds it instead. */
  readonly rare?: { readonly why: string; readonly test: string } | undefined;
}

/** Returns the source with the bug. Throws if the text to replace does not occur exactly once. */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(
      `mutant "${name}": its find text occurs ${parts.length - 1} times in ${file}, not once. Update the mutant to the changed code.`,
    );
  return parts.join(replace);
}
