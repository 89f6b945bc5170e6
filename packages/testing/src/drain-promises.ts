/**
 * Resolves in a later turn of the event loop, after all promises that can settle have settled. The
 * event loop delivers a `MessageChannel` message only once the microtask queue is empty. A
 * simulation can therefore let asynchronous code finish between two events, always in the same
 * order and without real timers.
 */
export function drainPromises(): Promise<void> {
  const { port1, port2 } = (channel ??= new MessageChannel());
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) port1.onmessage = next;
    port2.postMessage(undefined);
  });
}

/**
 * The channel shared by all calls, because creating a channel costs more than sending a hundred
 * messages.
 */
let channel: MessageChannel | undefined;
const waiting: (() => void)[] = [];

function next(): void {
  waiting.shift()?.();
  // A port with a listener would keep the process alive.
  if (waiting.length === 0 && channel !== undefined) channel.port1.onmessage = null;
}
