import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { eventually, type Program } from './cluster.js';

const shell = promisify(execFile);

/** Returns the printed lines that start with a given text. */
export function printed({ output }: Program, beginning: string): string[] {
  return output.split('\n').filter((line) => line.startsWith(beginning));
}

/** Runs a printed command. Repeats the command while there is no leader, or the leader is down. */
export async function runPrinted(line: string): Promise<string> {
  let answer: string | undefined;
  await eventually(`an answer to ${line}`, async () => {
    answer = (await shell('bash', ['-c', line]).catch(() => undefined))?.stdout;
    return answer !== undefined && !answer.includes('KONTIKI_NOT_LEADER');
  });
  return answer as string;
}

/** Runs the four curl commands that a demo has printed, and checks their output. */
export async function expectCurl(lines: readonly string[]): Promise<void> {
  expect(lines).toHaveLength(4);
  const answers: string[] = [];
  for (const line of lines) answers.push(await runPrinted(line));
  expect(answers[1]).toBe('hello');
  expect(answers[3]).toContain('"role":');
}
