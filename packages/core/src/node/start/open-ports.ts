import { unlessAborted } from '../calls/limited.js';
import { closeQuietly } from '../close-parts.js';
import type { NodeOptions } from '../options.js';
import { alignStores, type AlignedStores } from './align-stores.js';

/**
 * Opens the stores, makes them consistent, and calls `start` with the result. If `start` or an
 * earlier step fails, closes the ports that this call has opened, and rejects. Does not close other
 * ports, because another node may be using them.
 */
export async function openPorts<Result, T>(
  options: NodeOptions<Result>,
  signal: AbortSignal,
  start: (aligned: AlignedStores) => Promise<T>,
): Promise<T> {
  const owner = { cluster: options.cluster, server: options.id };
  const opened: { close(): Promise<void> }[] = [];
  const onOpened = (store: { close(): Promise<void> }): void => {
    if (signal.aborted) void closeQuietly([store]);
    signal.throwIfAborted();
    opened.push(store);
  };
  let isStarting = false;
  try {
    const aligned = await unlessAborted(alignStores(options, owner, onOpened), signal);
    isStarting = true;
    return await start(aligned);
  } catch (error) {
    // A transport that failed to start has either closed itself or is in use by another node.
    if (isStarting && signal.aborted) opened.push(options.transport);
    await closeQuietly(opened);
    throw error;
  }
}
