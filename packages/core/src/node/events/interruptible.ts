/**
 * Returns a generator whose `return` also ends a pending `next`. Otherwise, `return` would have to
 * wait for the next value. `start` receives a signal, which `return` aborts.
 */
export function interruptible<T>(
  start: (stop: AbortSignal) => AsyncGenerator<T, void, void>,
): AsyncGenerator<T, void, void> {
  const stop = new AbortController();
  const generator = start(stop.signal);
  const end = generator.return.bind(generator);
  generator.return = (value): ReturnType<typeof end> => {
    stop.abort();
    return end(value);
  };
  return generator;
}
