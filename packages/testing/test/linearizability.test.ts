import { describe, expect, it } from 'vitest';
import {
  checkHistory,
  HistoryError,
  isLinearizable,
  list,
  parseHistory,
  Random,
  register,
  type ListInput,
  type Model,
  type Operation,
  type RegisterInput,
} from '@kontiki/testing';

function op<Input>(call: number, end: number | null, input: Input, key = 'x'): Operation<Input> {
  return { key, call, end, input };
}
const write = (value: string | null): RegisterInput => ({ type: 'write', value });
const read = (value: string | null): RegisterInput => ({ type: 'read', value });
const cas = (expected: string | null, value: string, done?: boolean): RegisterInput => ({
  type: 'cas',
  expected,
  value,
  ...(done === undefined ? {} : { done }),
});
const holds = (...history: Operation<RegisterInput>[]): boolean => isLinearizable(register, history);

describe('the register model', () => {
  it('a register read returns the last written value or a concurrently written one', () => {
    expect(holds(op(0, 1, read(null)), op(2, 3, write('a')), op(4, 5, read('a')))).toBe(true);
    expect(holds(op(0, 9, write('a')), op(1, 2, read(null)), op(3, 4, read('a')))).toBe(true);
    expect(holds(op(0, 9, write('a')), op(1, 2, read('a')), op(3, 4, read(null)))).toBe(false);
    expect(holds(op(0, 1, write('a')), op(2, 3, write('b')), op(4, 5, read('a')))).toBe(false);
    expect(holds(op(0, 5, write('a')), op(0, 5, write('b')), op(6, 7, read('a')), op(8, 9, read('b')))).toBe(false);
  });

  it('a write without a response may take effect at any later time, or never', () => {
    expect(holds(op(0, null, write('a')), op(5, 6, read(null)), op(7, 8, read('a')))).toBe(true);
    expect(holds(op(0, null, write('a')), op(5, 6, read(null)))).toBe(true);
    expect(holds(op(5, null, write('a')), op(0, 1, read('a')))).toBe(false);
    expect(holds(op(0, null, write('a')), op(1, 2, read('a')), op(3, 4, read(null)))).toBe(false);
  });

  it('reading a value that was never written is not linearizable', () => {
    expect(holds(op(0, 1, read('refused')))).toBe(false);
  });

  it('a compare-and-set takes effect only if the register has the expected value', () => {
    expect(holds(op(0, 1, cas(null, 'a', true)), op(2, 3, cas('a', 'b', true)), op(4, 5, read('b')))).toBe(true);
    expect(holds(op(0, 9, cas(null, 'a', true)), op(0, 9, cas(null, 'b', true)))).toBe(false);
    expect(holds(op(0, 9, cas(null, 'a', true)), op(0, 9, cas(null, 'b', false)), op(10, 11, read('a')))).toBe(true);
    expect(holds(op(0, null, cas(null, 'a')), op(5, 6, write('b')), op(7, 8, read('b')))).toBe(true);
  });
});

it('list reads return all appended values in one consistent order', () => {
  const append = (value: string): ListInput => ({ type: 'append', value });
  const sees = (...values: string[]): ListInput => ({ type: 'read', values });
  const overlap = [op(0, 5, append('a')), op(0, 5, append('b'))];
  expect(isLinearizable(list, [...overlap, op(6, 7, sees('b', 'a'))])).toBe(true);
  expect(isLinearizable(list, [...overlap, op(6, 7, sees('b', 'a')), op(8, 9, sees('a', 'b'))])).toBe(false);
  expect(isLinearizable(list, [...overlap, op(6, 7, sees('a'))])).toBe(false);
});

/** Returns whether a history is linearizable, by trying every possible order. */
function byForce<State>(model: Model<State, RegisterInput>, history: readonly Operation<RegisterInput>[]): boolean {
  const search = (state: State, left: readonly Operation<RegisterInput>[]): boolean => {
    if (left.every(({ end }) => end === null)) return true;
    return left.some((one) => {
      const before = left.some((other) => other !== one && other.end !== null && other.end < one.call);
      const next = before ? undefined : model.step(state, one.input);
      return (
        next !== undefined &&
        search(
          next,
          left.filter((other) => other !== one),
        )
      );
    });
  };
  return search(model.initial, history);
}

it('isLinearizable agrees with brute force on 5,000 random histories', () => {
  const random = new Random(1);
  const verdicts = { true: 0, false: 0 };
  for (let round = 0; round < 5_000; round += 1) {
    const value = (): string | null => random.pick([null, 'a', 'b', 'c']);
    const history = Array.from({ length: 1 + random.below(6) }, () => {
      const call = random.below(10);
      const end = random.chance(0.2) ? null : call + random.below(6);
      const input = random.pick([
        read(value()),
        write(value()),
        cas(value(), random.pick(['a', 'b']), end === null ? undefined : random.chance(0.5)),
      ]);
      // Without a response, a read would have no result. Reads therefore always have an end.
      return op(call, input.type === 'read' ? (end ?? call) : end, input);
    });
    const verdict = isLinearizable(register, history);
    expect(verdict, JSON.stringify(history)).toBe(byForce(register, history));
    verdicts[`${verdict}`] += 1;
  }
  expect(Math.min(verdicts.true, verdicts.false)).toBeGreaterThan(1_000);
});

it('checkHistory returns the key and a minimal set of conflicting operations', () => {
  const noise = Array.from({ length: 50 }, (_, i) => op(i * 10, i * 10 + 5, write(`${i}`)));
  const wrong = [...noise, op(300, 305, read('28')), op(496, 497, read('49'))];
  const fine = noise.map((operation) => ({ ...operation, key: 'y' }));
  const [anomaly, ...others] = checkHistory(register, [...wrong, ...fine]);
  expect(others).toEqual([]);
  expect(anomaly?.key).toBe('x');
  expect(anomaly?.operations).toEqual([op(280, 285, write('28')), op(290, 295, write('29')), op(300, 305, read('28'))]);
});

it('checkHistory handles thousands of operations, some without a response', () => {
  const history = Array.from({ length: 1_500 }, (_, i) => [
    op(i * 10, i % 100 === 0 ? null : i * 10 + 8, write(`${i}`)),
    ...(i % 100 === 0 ? [] : [op(i * 10 + 9, i * 10 + 9, read(`${i}`))]),
  ]).flat();
  expect(checkHistory(register, history)).toEqual([]);
});

describe('parseHistory', () => {
  it('parseHistory parses JSON lines and reports the line of an error', () => {
    const line = '{"key":"x","call":1,"end":null,"input":{"type":"write","value":"a"}}';
    expect(parseHistory(`${line}\n\n${line}\n`)).toEqual([op(1, null, write('a')), op(1, null, write('a'))]);
    expect(() => parseHistory(`${line}\n{`)).toThrow(new HistoryError(2, 'not valid JSON'));
    expect(() => parseHistory('{"key":"x","call":2,"end":1,"input":{}}')).toThrow('line 1: end 1 is before call 2');
    expect(() => parseHistory('{"call":2,"end":1,"input":{}}')).toThrow('line 1: key or input is missing');
    expect(() => parseHistory('{"key":"x","call":"2","end":1,"input":{}}')).toThrow('call must be a number');
  });
});
