import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { WriterCalls } from '../../src/store/writer-calls.js';
import { beforeEach, expect, it } from 'vitest';

/** A call whose end the test decides. */
function gate(): { call: () => Promise<void>; end: () => void; fail: (error: Error) => void } {
  let [end, fail]: [() => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<void>((resolve, reject) => ([end, fail] = [resolve, reject]));
  return { call: () => promise, end, fail };
}

const turn = (): Promise<void> => new Promise(setImmediate);

let calls: WriterCalls;
let forgotten: number;
/** What forgetting waits for. */
let forgetting: Promise<void>;
beforeEach(() => {
  forgotten = 0;
  forgetting = Promise.resolve();
  calls = new WriterCalls({
    id: 'x',
    failure: (error) => new Error(`told: ${(error as Error).message}`),
    discard: async () => {
      await forgetting;
      forgotten += 1;
    },
  });
});

it('forgets what was written once, when no call is under way any more, and tells of it then', async () => {
  const [write, sync] = [gate(), gate()];
  const told: string[] = [];
  for (const { call } of [write, sync]) {
    void calls.run(call).catch(({ message }: Error) => told.push(message));
  }
  sync.fail(new Error('EIO'));
  await turn();
  expect([forgotten, told]).toEqual([0, []]);
  write.fail(new Error('ENOSPC'));
  await turn();
  expect([forgotten, told.sort()]).toEqual([1, ['told: EIO', 'told: ENOSPC']]);
  await expect(calls.run(async () => {})).rejects.toThrow('told: EIO');
  await calls.abort();
  expect(forgotten).toBe(1);
});

it('tells nobody that it is over before what was written is forgotten: the same snapshot may be begun anew then', async () => {
  const [sync, forget] = [gate(), gate()];
  forgetting = forget.call();
  const ended: string[] = [];
  const failed = (call: Promise<void>): Promise<void> => call.catch(({ message }: Error) => void ended.push(message));
  const first = failed(calls.run(sync.call));
  sync.fail(new Error('EIO'));
  await turn();
  const all = [first, failed(calls.run(async () => {})), calls.abort().then(() => ended.push('aborted'))];
  await turn();
  expect(ended).toEqual([]);
  forget.end();
  await Promise.all(all);
  expect(ended.sort()).toEqual(['aborted', 'told: EIO', 'told: EIO']);
});

it('takes no more calls when it was given up', async () => {
  await calls.abort();
  await expect(calls.run(async () => {})).rejects.toMatchObject({ code: 'KONTIKI_ABORTED' });
  expect(forgotten).toBe(1);
});

it('keeps nothing of the calls that have ended', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const result = new WeakRef(await calls.run(async () => ({})));
  await calls.run(async () => {});
  await turn();
  collect();
  expect(result.deref()).toBe(undefined);
});

it('forgets nothing of what was finished while it was given up', async () => {
  const finish = gate();
  const finished = calls.run(async () => {
    await finish.call();
    calls.markFinished();
  });
  const aborted = calls.abort();
  const refused = expect(calls.run(async () => {})).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
  finish.end();
  await Promise.all([finished, aborted, refused]);
  expect(forgotten).toBe(0);
  await expect(calls.run(async () => {})).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
});

it('lets go when the calls under way have ended, and have been forgotten where they failed', async () => {
  const write = gate();
  const failed = calls.run(write.call).catch(({ message }: Error) => message);
  let detached = false;
  const detaching = calls.detach(new Error('the store is closed')).then(() => (detached = true));
  await turn();
  expect(detached).toBe(false);
  const forget = gate();
  forgetting = forget.call();
  write.fail(new Error('EIO'));
  await turn();
  expect(detached).toBe(false);
  forget.end();
  await detaching;
  expect([await failed, forgotten]).toEqual(['told: EIO', 1]);
  await expect(calls.run(async () => {})).rejects.toThrow('the store is closed');
});
