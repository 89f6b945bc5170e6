// Shows that the job of the example runs on one server at a time, and that another server continues
// it with a higher token after a kill -9.
import { afterEach, expect, it } from 'vitest';
import { Example } from '../../run.js';

let example: Example | undefined;
afterEach(() => example?.remove());

it.each(['SIGKILL', 'SIGSTOP'] as const)('the job moves after a %s, with a higher token', async (signal) => {
  const cron = (example = await Example.start('leader-cron', ['a', 'b', 'c']));
  const lines = (): string[][] =>
    (cron.read('report.txt') ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' '));
  await cron.until('the job has run twice', () => lines().length >= 2);
  const [, first = ''] = lines().at(-1) as string[];
  if (signal === 'SIGKILL') await cron.stop(first, signal);
  else cron.signal(first, signal);
  await cron.until('another server has run the job', () => lines().at(-1)?.[1] !== first);
  if (signal === 'SIGSTOP') {
    // The old leader resumes its job. Its token is refused, and it becomes a follower.
    const count = lines().length;
    cron.signal(first, 'SIGCONT');
    await cron.until('the job runs on', () => lines().length >= count + 3);
    expect(cron.isRunning(first)).toBe(true);
    expect(
      lines()
        .slice(count)
        .every(([, server]) => server !== first),
    ).toBe(true);
  }
  const tokens = lines().map(([token]) => Number(token));
  expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
  expect(new Set(tokens).size).toBeGreaterThan(1);
});
