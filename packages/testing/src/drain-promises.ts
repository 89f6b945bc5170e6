/**
 * Resolves after all promises that can settle have settled, in a later turn of the event loop. The
 * event loop handles a message of a channel only when no callback of a settled promise is left. So
 * code with promises runs to a standstill between two events of a simulation, in the same order
 * each time, and without real timers.
 */
export function drainPromises(): Promise<void> {
  const { port1, port2 } = (channel ??= new MessageChannel());
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) port1.onmessage = next;
    port2.postMessage(undefined);
  });
}

/** All calls share one channel, since creating one costs more than a hundred messages. */
let channel: MessageChannel | undefined;
const waiting: (() => void)[] = [];

function next(): void {
  waiting.shift()?.();
  // A port with a listener keeps the process alive.
  if (waiting.length === 0 && channel !== undefined) channel.port1.onmessage = null;
}
