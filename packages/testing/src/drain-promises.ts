/**
 * Resolves in a later turn of the event loop, after all promises that can settle have settled. The
 * event loop delivers a `MessageChannel` message only once the microtask queue is empty. A
 * simulation uses this to let asynchronous code finish between two events, in the same order every
 * time and without real timers.
 */
export function drainPromises(): Promise<void> {
  const { port1, port2 } = (channel ??= new MessageChannel());
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) port1.onmessage = next;
    port2.postMessage(undefined);
  });
}

/** The channel, shared by all calls because creating one costs more than a hundred messages. */
let channel: MessageChannel | undefined;
const waiting: (() => void)[] = [];

function next(): void {
  waiting.shift()?.();
  // A port with a listener keeps the process alive.
  if (waiting.length === 0 && channel !== undefined) channel.port1.onmessage = null;
}
