/**
 * Resolves with the result of `work`, or with undefined if the crash happens first. Ignores errors
 * in a crashed process.
 */
export async function unlessCrashed<T>(crash: Promise<void>, work: Promise<T>): Promise<T | undefined> {
  let crashed = false;
  const crashing = crash.then(() => void (crashed = true));
  const result = work.catch(async (error: unknown) => {
    // The crash may have caused the error even if the promise of the crash resolves a moment later.
    await new Promise((resolve) => setTimeout(resolve));
    if (!crashed) throw error;
  });
  return (await Promise.race([crashing, result])) ?? undefined;
}
