import { Random } from '../random.js';

/**
 * Runs a function with fake clocks and seeded random numbers in place of the real globals, and then
 * restores the globals. Two runs with different seeds differ in every input that must not influence
 * a state machine.
 */
export async function withFakeGlobals<T>(seed: number, run: () => Promise<T>): Promise<T> {
  const random = new Random(seed, 'world');
  const past = seed * 1e11;
  let now = past;
  const tick = (): number => (now += seed);
  const RealDate = Date;
  const stubs: readonly [object, string, unknown][] = [
    [
      globalThis,
      'Date',
      class extends RealDate {
        constructor(...given: unknown[]) {
          super(...((given.length === 0 ? [tick()] : given) as [number]));
        }
        static override now = tick;
      },
    ],
    [Math, 'random', random.next],
    [performance, 'now', tick],
    [crypto, 'getRandomValues', fill],
    [crypto, 'randomUUID', () => `00000000-0000-4000-8000-${String(random.below(1e12)).padStart(12, '0')}`],
  ];
  function fill<A extends ArrayBufferView>(into: A): A {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = random.below(256);
    return into;
  }
  const before = stubs.map(([on, name]) => Object.getOwnPropertyDescriptor(on, name));
  for (const [on, name, value] of stubs) Object.defineProperty(on, name, { value, configurable: true, writable: true });
  try {
    return await run();
  } finally {
    for (const [i, [on, name]] of stubs.entries()) {
      const original = before[i];
      // Deleting the stub makes the inherited property visible again.
      if (original === undefined) Reflect.deleteProperty(on, name);
      else Object.defineProperty(on, name, original);
    }
  }
}
