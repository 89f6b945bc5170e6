import { readFileSync } from 'node:fs';
import { checkHistory, HistoryError, list, parseHistory, register, type Model } from '@kontiki/testing';

const models: Record<string, Model<unknown, never>> = {
  register: register as Model<unknown, never>,
  list: list as Model<unknown, never>,
};

/** The valid values of the flag `--model`. */
export const modelNames: readonly string[] = Object.keys(models);

/**
 * Returns and prints whether the history in a file of JSON lines is linearizable. For each key that
 * is not linearizable, prints a small set of operations that proves it.
 */
export function checkFile(path: string, model: string): boolean {
  const history = parseHistory<never>(readFileSync(path, 'utf8'));
  const anomalies = checkHistory(models[model] as Model<unknown, never>, history);
  const keys = new Set(history.map(({ key }) => key)).size;
  const verdict =
    anomalies.length === 0 ? 'linearizable' : `NOT LINEARIZABLE, keys with anomalies: ${anomalies.length}`;
  console.log(`${history.length} operations on ${keys} keys: ${verdict}`);
  for (const { key, operations } of anomalies) {
    console.log(`\nkey ${key}: no order explains these operations`);
    for (const { call, end, input } of operations) console.log(`  ${call} to ${end ?? '?'}: ${JSON.stringify(input)}`);
  }
  return anomalies.length === 0;
}

/**
 * Returns a one-sentence description of an error that occurred while reading or parsing the file.
 * Returns undefined for any other error.
 */
export function describeFileFailure(path: string, error: unknown): string | undefined {
  if (error instanceof HistoryError) return `${path}, ${error.message}.`;
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? undefined : `Cannot read ${path} (${code}).`;
}
