/** Resolves when every promise that can settle has settled: in a later turn of the event loop. */
export function drainPromises(): Promise<void> {
  const { port1, port2 } = (channel ??= new MessageChannel());
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) port1.onmessage = next;
    port2.postMessage(undefined);
  });
}

/** One for all: a channel costs more than a hundred messages. */
let channel: MessageChannel | undefined;
const waiting: (() => void)[] = [];

function next(): void {
  waiting.shift()?.();
  // A port that listens keeps the process alive.
  if (waiting.length === 0 && channel !== undefined) channel.port1.onmessage = null;
}
