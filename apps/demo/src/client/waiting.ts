/** Runs a request. If it takes longer than a second, prints the reason once on standard error. */
export async function reportWaiting<T>(
  limitMs: number,
  run: (onRetry: (reason: string) => void) => Promise<T>,
): Promise<T> {
  let reason = 'no node has answered';
  const timer = setTimeout(
    () => process.stderr.write(`kontiki-demo: waiting for up to ${limitMs} ms: ${reason}\n`),
    1_000,
  );
  try {
    return await run((why) => (reason = why));
  } finally {
    clearTimeout(timer);
  }
}
