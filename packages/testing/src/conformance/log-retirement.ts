import type { LogStore } from '@kontiki/core';
import type { LogTests } from './log-context.js';
import { command, first, owner } from './log-model.js';
import { codeOf } from './waiting.js';

/**
 * Returns the message of the error that a promise rejects with, or an empty string if the promise
 * resolves.
 */
function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => '',
    (error: unknown) => (error as Error).message,
  );
}

/**
 * Registers tests for `retire`. Once a server has moved to another store, its old log is retired
 * and must never open again.
 */
export function testRetirement({ expect, testAbility }: LogTests): void {
  const retire = (store: LogStore, where = 'fs:/elsewhere'): Promise<void> => {
    if (store.retire !== undefined) return store.retire(where);
    throw new Error("The store has no retire(). Add it, or give the reason: without: { retire: '…' }.");
  };

  testAbility('retire', 'a retired log rejects all calls with KONTIKI_MOVED and the new location', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    await store.append({ ballot: { term: 2, votedFor: 'a' }, entries: [first, command(2, 2)] });
    await retire(store);
    expect(await codeOf(store.append({ entries: [command(3, 2)] }))).toEqual('KONTIKI_MOVED');
    expect(await codeOf(store.read(1, 1, Infinity))).toEqual('KONTIKI_MOVED');
    await store.close();
    // When `retire` resolves, its effect must be durable.
    medium.crash?.('power');
    for (let start = 0; start < 2; start += 1) {
      const opened = medium.store().open(owner);
      expect(await codeOf(opened)).toEqual('KONTIKI_MOVED');
      expect((await messageOf(opened)).includes('fs:/elsewhere')).toEqual(true);
    }
  });

  testAbility('retire', 'a retired log reports a new location of 4,100 bytes in full', async (medium) => {
    // Use a path of the maximum length, consisting of two-byte characters.
    const where = `fs:/${'ä'.repeat(2_046)}/end`;
    const store = medium.store();
    await store.open(owner);
    await retire(store, where);
    await store.close();
    expect(await messageOf(medium.store().open(owner)).then((message) => message.includes(where))).toEqual(true);
  });

  testAbility('retire', 'calls made before retire resolve, and close waits for retire', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    const before = [store.append({ entries: [first] }), store.append({ ballot: { term: 2, votedFor: 'a' } })];
    const ends: string[] = [];
    const retired = retire(store).then(() => ends.push('retired'));
    const after = codeOf(store.append({ ballot: { term: 3, votedFor: 'b' } }));
    await store.close().then(() => ends.push('closed'));
    await Promise.all([...before, retired]);
    expect([ends, await after]).toEqual([['retired', 'closed'], 'KONTIKI_MOVED']);
    expect(await codeOf(medium.store().open(owner))).toEqual('KONTIKI_MOVED');
  });

  testAbility('retire', 'retire rejects with KONTIKI_CLOSED on a log that is not open', async (medium) => {
    const store = medium.store();
    expect(await codeOf(retire(store))).toEqual('KONTIKI_CLOSED');
    await store.open(owner);
    await store.close();
    const next = medium.store();
    await next.open(owner);
    await next.close();
  });
}
