import { SystemClock, type LogStore, type Timer, type Transport } from '@kontiki/core';
import { frameLength } from '@kontiki/core/wire';
import type { File, Folder } from '@kontiki/files';

/** Operation counts of one server. */
export interface Counters {
  messages: number;
  /** Number of bytes in encoded frames. */
  bytes: number;
  /** Number of entries in sent frames. An entry is counted once per follower. */
  entriesSent: number;
  writes: number;
  entriesWritten: number;
  syncs: number;
}

export function newCounters(): Counters {
  return { messages: 0, bytes: 0, entriesSent: 0, writes: 0, entriesWritten: 0, syncs: 0 };
}

/** Wraps a transport to count the messages, bytes and entries that it sends. */
export function countTransport(transport: Transport, counters: Counters): Transport {
  return {
    start: (self, receive) => transport.start(self, receive),
    send: (to, messages) => {
      counters.messages += messages.length;
      counters.bytes += frameLength(messages);
      for (const message of messages) if (message.kind === 'append') counters.entriesSent += message.entries.length;
      transport.send(to, messages);
    },
    setPeers: (peers) => transport.setPeers(peers),
    close: () => transport.close(),
  };
}

/** Wraps a log to count its writes and the entries written. */
export function countLog(log: LogStore, counters: Counters): LogStore {
  return {
    open: (owner) => log.open(owner),
    append: (write) => {
      counters.writes += 1;
      counters.entriesWritten += write.entries?.length ?? 0;
      return log.append(write);
    },
    reset: (base) => log.reset(base),
    compact: (base) => log.compact(base),
    read: (from, to, maxBytes) => log.read(from, to, maxBytes),
    onFull: (listener) => log.onFull(listener),
    close: () => log.close(),
  };
}

/** Wraps a folder to count how often its files are synced. */
export function countSyncs(folder: Folder, counters: Counters): Folder {
  const wrap = (file: File): File => ({
    size: () => file.size(),
    write: (bytes, offset) => file.write(bytes, offset),
    writeAsync: (bytes, offset) => file.writeAsync(bytes, offset),
    datasync: () => {
      counters.syncs += 1;
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

/** A clock that counts how often its timers fire. */
export class CountingClock extends SystemClock {
  wakeUps = 0;

  override timer(fire: () => void): Timer {
    return super.timer(() => {
      this.wakeUps += 1;
      fire();
    });
  }
}
