import { KontikiError } from '@kontiki/core';
import { describe, expect, it } from 'vitest';
import { Lifecycle } from '../../src/store/lifecycle.js';

/** A promise and the function that resolves it. */
function gate(): { readonly opens: Promise<void>; open(): void } {
  let open = (): void => {};
  const opens = new Promise<void>((resolve) => (open = resolve));
  return { opens, open: () => open() };
}

const coded = (code: string): unknown => expect.objectContaining({ code });

describe('Lifecycle', () => {
  it('a lifecycle that is not open refuses every call with KONTIKI_CLOSED', async () => {
    const life = new Lifecycle<number>(() => 'The store');
    expect(() => life.opened).toThrow(KontikiError);
    await life.open(async () => 1);
    await life.close(async () => {});
    expect(() => life.opened).toThrow('The store is not open. Open the store before you use it.');
  });

  it('open rejects with KONTIKI_LOCKED while open, opening or closing', async () => {
    const life = new Lifecycle<number>(() => 'The store');
    const [start, stop] = [gate(), gate()];
    const opening = life.open(() => start.opens.then(() => 1));
    await expect(life.open(async () => 2)).rejects.toEqual(coded('KONTIKI_LOCKED'));
    start.open();
    await opening;
    await expect(life.open(async () => 2)).rejects.toEqual(coded('KONTIKI_LOCKED'));
    const closing = life.close(() => stop.opens);
    await expect(life.open(async () => 2)).rejects.toEqual(coded('KONTIKI_LOCKED'));
    stop.open();
    await closing;
    await life.open(async () => 3);
    expect(life.opened).toBe(3);
  });

  it('a failed open leaves the lifecycle closed, and it can be opened again', async () => {
    const life = new Lifecycle<number>(() => 'The store');
    await expect(life.open(() => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
    expect(() => life.opened).toThrow(KontikiError);
    await life.open(async () => 1);
    expect(life.opened).toBe(1);
  });

  it('close waits for calls in progress, even failing ones, and refuses new calls', async () => {
    const life = new Lifecycle<number>(() => 'The store');
    await life.open(async () => 1);
    const [first, second] = [gate(), gate()];
    void life.track(first.opens);
    const failing = life.track(second.opens.then(() => Promise.reject(new Error('EIO'))));
    const events: string[] = [];
    const closing = life.close(async (opened) => void events.push(`stop ${opened}`));
    expect(() => life.opened).toThrow(KontikiError);
    first.open();
    await first.opens;
    expect(events).toEqual([]);
    second.open();
    await expect(failing).rejects.toThrow('EIO');
    await closing;
    expect(events).toEqual(['stop 1']);
  });

  it('close during open stops the store once open finishes', async () => {
    const life = new Lifecycle<number>(() => 'The store');
    const start = gate();
    const opening = life.open(() => start.opens.then(() => 7));
    const stopped: number[] = [];
    const closing = life.close(async (opened) => void stopped.push(opened));
    start.open();
    await Promise.all([opening, closing]);
    expect(stopped).toEqual([7]);
    expect(() => life.opened).toThrow(KontikiError);
  });

  it('concurrent closes share one stop, and a later close does nothing', async () => {
    const life = new Lifecycle<number>(() => 'The store');
    await life.open(async () => 1);
    let stops = 0;
    const stop = async (): Promise<void> => void (stops += 1);
    await Promise.all([life.close(stop), life.close(stop)]);
    await life.close(stop);
    expect(stops).toBe(1);
  });

  it('isOpen returns false for the state of an earlier open', async () => {
    const life = new Lifecycle<object>(() => 'The store');
    const first = {};
    await life.open(async () => first);
    expect(life.isOpen(first)).toBe(true);
    await life.close(async () => {});
    await life.open(async () => ({}));
    expect(life.isOpen(first)).toBe(false);
  });
});
