/**
 * The command that runs this program in a clone. Printed commands start with it, so they can be
 * pasted.
 */
export const COMMAND = 'npx -y pnpm@10.34.9 sim';
