// Shows how calls to a snapshot writer may overlap, and when a failed or aborted snapshot is
// discarded. The tests decide when each call ends.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { WriterCalls } from '../../src/store/writer-calls.js';
import { beforeEach, expect, it } from 'vitest';

/** Returns a call that the test can finish or fail. */
function gate(): { call: () => Promise<void>; end: () => void; fail: (error: Error) => void } {
  let [end, fail]: [() => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<void>((resolve, reject) => ([end, fail] = [resolve, reject]));
  return { call: () => promise, end, fail };
}

const turn = (): Promise<void> => new Promise(setImmediate);

let calls: WriterCalls;
let discarded: number;
/** The promise that `discard` awaits. */
let discarding: Promise<void>;
beforeEach(() => {
  discarded = 0;
  discarding = Promise.resolve();
  calls = new WriterCalls({
    id: 'x',
    failure: (error) => new Error(`failed: ${(error as Error).message}`),
    discard: async () => {
      await discarding;
      discarded += 1;
    },
  });
});

it('a failed call discards the snapshot once, after all calls have ended', async () => {
  const [write, sync] = [gate(), gate()];
  const messages: string[] = [];
  for (const { call } of [write, sync]) {
    void calls.run(call).catch(({ message }: Error) => messages.push(message));
  }
  sync.fail(new Error('EIO'));
  await turn();
  expect([discarded, messages]).toEqual([0, []]);
  write.fail(new Error('ENOSPC'));
  await turn();
  expect([discarded, messages.sort()]).toEqual([1, ['failed: EIO', 'failed: ENOSPC']]);
  await expect(calls.run(async () => {})).rejects.toThrow('failed: EIO');
  await calls.abort();
  expect(discarded).toBe(1);
});

it('calls reject only after the snapshot has been discarded', async () => {
  const [sync, discard] = [gate(), gate()];
  discarding = discard.call();
  const ended: string[] = [];
  const failed = (call: Promise<void>): Promise<void> => call.catch(({ message }: Error) => void ended.push(message));
  const first = failed(calls.run(sync.call));
  sync.fail(new Error('EIO'));
  await turn();
  const all = [first, failed(calls.run(async () => {})), calls.abort().then(() => ended.push('aborted'))];
  await turn();
  expect(ended).toEqual([]);
  discard.end();
  await Promise.all(all);
  expect(ended.sort()).toEqual(['aborted', 'failed: EIO', 'failed: EIO']);
});

it('calls after abort reject with KONTIKI_ABORTED', async () => {
  await calls.abort();
  await expect(calls.run(async () => {})).rejects.toMatchObject({ code: 'KONTIKI_ABORTED' });
  expect(discarded).toBe(1);
});

it('results of earlier calls can be garbage-collected', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const result = new WeakRef(await calls.run(async () => ({})));
  await calls.run(async () => {});
  await turn();
  collect();
  expect(result.deref()).toBe(undefined);
});

it('abort does not discard a snapshot if a pending call finishes it', async () => {
  const finish = gate();
  const finished = calls.run(async () => {
    await finish.call();
    calls.markFinished();
  });
  const aborted = calls.abort();
  const refused = expect(calls.run(async () => {})).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
  finish.end();
  await Promise.all([finished, aborted, refused]);
  expect(discarded).toBe(0);
  await expect(calls.run(async () => {})).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
});

it('detach waits for pending calls and a pending discard', async () => {
  const write = gate();
  const failed = calls.run(write.call).catch(({ message }: Error) => message);
  let detached = false;
  const detaching = calls.detach(new Error('the store is closed')).then(() => (detached = true));
  await turn();
  expect(detached).toBe(false);
  const discard = gate();
  discarding = discard.call();
  write.fail(new Error('EIO'));
  await turn();
  expect(detached).toBe(false);
  discard.end();
  await detaching;
  expect([await failed, discarded]).toEqual(['failed: EIO', 1]);
  await expect(calls.run(async () => {})).rejects.toThrow('the store is closed');
});
