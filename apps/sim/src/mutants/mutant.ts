/** A bug put into the code: in `file` of a package's source, `find` must stand exactly once. */
export interface Mutant {
  readonly name: string;
  /** Default: core. */
  readonly package?: 'core' | 'snapshot' | 'storage-fs' | 'storage-level' | 'testing' | undefined;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Why no world can tell it from the right code; a unit test holds the rule. */
  readonly equivalent?: string | undefined;
}

/** The source with its bug. Whoever changes the code mends the mutant, too. */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2) throw new Error(`mutant ${name}: its text stands ${parts.length - 1} times in ${file}`);
  return parts.join(replace);
}
