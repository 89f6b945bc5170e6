/**
 * The command that runs this program in a clone of the repository. Commands in the output start
 * with it, so that they can be copied and run.
 */
export const COMMAND = 'npx -y pnpm@10.34.9 sim';
