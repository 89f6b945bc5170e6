import type { LogStore } from '@kontiki/core';
import type { LogTests } from './log-context.js';
import { command, first, owner } from './log-model.js';
import { codeOf } from './waiting.js';

/** What a promise is rejected with says. */
function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => '',
    (error: unknown) => (error as Error).message,
  );
}

/** A log that its server has moved away from never opens again. */
export function testRetirement({ expect, testAbility }: LogTests): void {
  const retire = (store: LogStore, where = 'fs:/elsewhere'): Promise<void> => {
    if (store.retire !== undefined) return store.retire(where);
    throw new Error("The store has no retire(). Give it one, or say why not: without: { retire: '…' }.");
  };

  testAbility(
    'retire',
    'a retired log refuses every later call and start, and says where its server has gone',
    async (medium) => {
      const store = medium.store();
      await store.open(owner);
      await store.append({ ballot: { term: 2, votedFor: 'a' }, entries: [first, command(2, 2)] });
      await retire(store);
      expect(await codeOf(store.append({ entries: [command(3, 2)] }))).toEqual('KONTIKI_MOVED');
      expect(await codeOf(store.read(1, 1, Infinity))).toEqual('KONTIKI_MOVED');
      await store.close();
      // It was durable when it resolved.
      medium.crash?.('power');
      for (let start = 0; start < 2; start += 1) {
        const opened = medium.store().open(owner);
        expect(await codeOf(opened)).toEqual('KONTIKI_MOVED');
        expect((await messageOf(opened)).includes('fs:/elsewhere')).toEqual(true);
      }
    },
  );

  testAbility('retire', 'a retired log tells the whole of a long place', async (medium) => {
    // As long as a path may be, of letters that take more than a byte.
    const where = `fs:/${'ä'.repeat(2_046)}/end`;
    const store = medium.store();
    await store.open(owner);
    await retire(store, where);
    await store.close();
    expect(await messageOf(medium.store().open(owner)).then((message) => message.includes(where))).toEqual(true);
  });

  testAbility('retire', 'calls before the retirement end as ever, and close waits for it', async (medium) => {
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

  testAbility('retire', 'a log that is not open cannot be retired', async (medium) => {
    const store = medium.store();
    expect(await codeOf(retire(store))).toEqual('KONTIKI_CLOSED');
    await store.open(owner);
    await store.close();
    const next = medium.store();
    await next.open(owner);
    await next.close();
  });
}
