import type { LogStore } from '@kontiki/core';
import type { LogTests } from './log-context.js';
import { command, first, owner } from './log-model.js';
import { codeOf } from './waiting.js';

/** A log that its server has moved away from never opens again. */
export function testRetirement({ expect, testAble }: LogTests): void {
  const retire = (store: LogStore): Promise<void> => {
    if (store.retire !== undefined) return store.retire('fs:/elsewhere');
    throw new Error("The store has no retire(). Give it one, or say why not: without: { retire: '…' }.");
  };

  testAble(
    'retire',
    'a retired log refuses every later call and start, and says where its server has gone',
    async (place) => {
      const store = place.store();
      await store.open(owner);
      await store.append({ ballot: { term: 2, votedFor: 'a' }, entries: [first, command(2, 2)] });
      await retire(store);
      expect(await codeOf(store.append({ entries: [command(3, 2)] }))).toEqual('KONTIKI_MOVED');
      expect(await codeOf(store.read(1, 1, Infinity))).toEqual('KONTIKI_MOVED');
      await store.close();
      // It was durable when it resolved.
      place.crash?.('power');
      for (let start = 0; start < 2; start += 1) {
        const error = await place
          .store()
          .open(owner)
          .then(
            () => undefined,
            (refusal: unknown) => refusal as { code?: unknown; message: string },
          );
        expect(error?.code).toEqual('KONTIKI_MOVED');
        expect(error?.message.includes('fs:/elsewhere')).toEqual(true);
      }
    },
  );

  testAble('retire', 'a log that is not open cannot be retired', async (place) => {
    const store = place.store();
    expect(await codeOf(retire(store))).toEqual('KONTIKI_CLOSED');
    await store.open(owner);
    await store.close();
    const next = place.store();
    await next.open(owner);
    await next.close();
  });
}
