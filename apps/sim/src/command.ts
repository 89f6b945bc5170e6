/**
 * The command that runs this program in a clone. Printed commands start with it, so that they can
 * be copied and run.
 */
export const COMMAND = 'npx -y pnpm@10.34.9 sim';
