/** What comes of some work; undefined when the crash came first. What a dead process is told is of no matter. */
export async function unlessCrashed<T>(crash: Promise<void>, work: Promise<T>): Promise<T | undefined> {
  let crashed = false;
  const told = crash.then(() => void (crashed = true));
  const result = work.catch(async (error: unknown) => {
    // The crash itself may have ended it, and be told of a moment later.
    await new Promise((resolve) => setTimeout(resolve));
    if (!crashed) throw error;
  });
  return (await Promise.race([told, result])) ?? undefined;
}
