import { readFileSync } from 'node:fs';
import { checkHistory, HistoryError, list, parseHistory, register, type Model } from '@kontiki/testing';

const models: Record<string, Model<unknown, never>> = {
  register: register as Model<unknown, never>,
  list: list as Model<unknown, never>,
};

/** The models that a history may be of. */
export const modelNames: readonly string[] = Object.keys(models);

/** Says whether the history in a file of JSON lines is linearizable, and shows the fewest operations that tell otherwise. */
export function checkFile(path: string, model: string): boolean {
  const history = parseHistory<never>(readFileSync(path, 'utf8'));
  const anomalies = checkHistory(models[model] as Model<unknown, never>, history);
  const keys = new Set(history.map(({ key }) => key)).size;
  const verdict = anomalies.length === 0 ? 'linearizable' : `NOT LINEARIZABLE on ${anomalies.length} of them`;
  console.log(`${history.length} operations on ${keys} keys: ${verdict}`);
  for (const { key, operations } of anomalies) {
    console.log(`\n${key}: these fit into no order`);
    for (const { call, end, input } of operations) console.log(`  ${call} to ${end ?? '?'}: ${JSON.stringify(input)}`);
  }
  return anomalies.length === 0;
}

/** A failure of the file, in a sentence; undefined for any other. */
export function describeFileFailure(path: string, error: unknown): string | undefined {
  if (error instanceof HistoryError) return `${path}, ${error.message}.`;
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? undefined : `${path} cannot be read (${code}).`;
}
