// Shows that the job of the example runs on one server at a time, and that another server continues
// it with a higher token after a kill -9.
import { afterEach, expect, it } from 'vitest';
import { Example } from '../../run.js';

let example: Example | undefined;
afterEach(() => example?.remove());

it('the job moves to another server after a kill -9, with a higher token', async () => {
  const cron = (example = await Example.start('leader-cron', ['a', 'b', 'c']));
  const lines = (): string[][] =>
    (cron.read('report.txt') ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' '));
  await cron.until('the job has run twice', () => lines().length >= 2);
  const [, first = ''] = lines().at(-1) as string[];
  await cron.stop(first, 'SIGKILL');
  await cron.until('another server has run the job', () => lines().at(-1)?.[1] !== first);
  const tokens = lines().map(([token]) => Number(token));
  expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
  expect(new Set(tokens).size).toBeGreaterThan(1);
});
