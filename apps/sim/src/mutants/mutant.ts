/** A bug put into the code: in `file` of a package's source, `find` must stand exactly once. */
export interface Mutant {
  readonly name: string;
  /** Default: core. */
  readonly package?: 'core' | 'snapshot' | 'storage-fs' | 'storage-level' | 'testing' | undefined;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Why nothing can tell it from the right code. */
  readonly equivalent?: string | undefined;
  /** Why hardly any world meets it; this file of tests, from the top of the tree, finds it instead. */
  readonly rare?: { readonly why: string; readonly test: string } | undefined;
}

/** The source with its bug. Whoever changes the code mends the mutant, too. */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2) throw new Error(`mutant ${name}: its text stands ${parts.length - 1} times in ${file}`);
  return parts.join(replace);
}
