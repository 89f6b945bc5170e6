import { SystemClock, type LogStore, type Timer, type Transport } from '@kontiki/core';
import { frameLength } from '@kontiki/core/wire';
import type { File, Folder } from '@kontiki/files';

/** What one server did. */
export interface Counted {
  messages: number;
  /** Of frames, as they are encoded. */
  bytes: number;
  /** Times an entry was put into a frame: once for each follower. */
  entriesSent: number;
  writes: number;
  entriesWritten: number;
  syncs: number;
}

export function nothing(): Counted {
  return { messages: 0, bytes: 0, entriesSent: 0, writes: 0, entriesWritten: 0, syncs: 0 };
}

/** The transport, counted. */
export function countTransport(transport: Transport, counted: Counted): Transport {
  return {
    start: (self, receive) => transport.start(self, receive),
    send: (to, messages) => {
      counted.messages += messages.length;
      counted.bytes += frameLength(messages);
      for (const message of messages) if (message.kind === 'append') counted.entriesSent += message.entries.length;
      transport.send(to, messages);
    },
    setPeers: (peers) => transport.setPeers(peers),
    close: () => transport.close(),
  };
}

/** The log, counted. */
export function countLog(log: LogStore, counted: Counted): LogStore {
  return {
    open: (owner) => log.open(owner),
    append: (write) => {
      counted.writes += 1;
      counted.entriesWritten += write.entries?.length ?? 0;
      return log.append(write);
    },
    reset: (base) => log.reset(base),
    compact: (base) => log.compact(base),
    read: (from, to, maxBytes) => log.read(from, to, maxBytes),
    onFull: (listener) => log.onFull(listener),
    close: () => log.close(),
  };
}

/** A folder whose files count their syncs. */
export function countSyncs(folder: Folder, counted: Counted): Folder {
  const wrap = (file: File): File => ({
    size: () => file.size(),
    write: (bytes, offset) => file.write(bytes, offset),
    writeAsync: (bytes, offset) => file.writeAsync(bytes, offset),
    datasync: () => {
      counted.syncs += 1;
      return file.datasync();
    },
    read: (offset, length) => file.read(offset, length),
    allocate: (size) => file.allocate(size),
    close: () => file.close(),
  });
  return {
    path: folder.path,
    list: () => folder.list(),
    open: async (name) => wrap(await folder.open(name)),
    create: async (name) => wrap(await folder.create(name)),
    rename: (from, to) => folder.rename(from, to),
    remove: (name) => folder.remove(name),
    sync: () => folder.sync(),
    lock: (use) => folder.lock(use),
  };
}

/** A clock that counts how often it wakes somebody. */
export class CountingClock extends SystemClock {
  wakeUps = 0;

  override timer(fire: () => void): Timer {
    return super.timer(() => {
      this.wakeUps += 1;
      fire();
    });
  }
}
