import { SystemClock } from '@kontiki/core';
import { expect, it } from 'vitest';

it('SystemClock does not fire a thirty-day timer immediately', async () => {
  const clock = new SystemClock();
  let fired = 0;
  const timer = clock.timer(() => (fired += 1));
  timer.set(clock.now() + 30 * 24 * 3_600_000);
  await new Promise((resolve) => clock.timer(() => resolve(undefined)).set(clock.now() + 20));
  timer.close();
  expect(fired).toBe(0);
});
