import { FileLog } from '@kontiki/storage-fs';
import { runFullWorld, Random } from '@kontiki/testing';
const [from, count, trace] = process.argv.slice(2);
const t = performance.now();
let events = 0,
  elapsed = 0;
const sums: Record<string, number> = {};
for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
  const t1 = performance.now();
  const o = await runFullWorld(seed, {
    log: ({ folder, clock, random, seed }) =>
      new FileLog(folder, { clock, random, segmentBytes: new Random(seed, 'segments').pick([700, 4096, 65536]) }),
    ...(trace ? { tell: (at: number, text: string) => console.log(at.toFixed(2).padStart(10), text) } : {}),
  });
  events += o.events;
  elapsed += o.elapsed;
  for (const [k, v] of Object.entries(o.counts)) sums[k] = (sums[k] ?? 0) + v;
  if (o.violation || count === '1')
    console.log(
      seed,
      o.hash,
      o.events,
      Math.round(performance.now() - t1),
      o.violation?.message,
      (o.violation?.cause as Error)?.stack ?? o.violation?.stack,
    );
}
const ms = performance.now() - t;
console.log(
  `${count} seeds in ${Math.round(ms)} ms, ${Math.round(ms / Number(count))} ms a seed, ${Math.round(events / Number(count))} events a seed, ${Math.round(events / ms)}k events/s`,
  JSON.stringify(sums),
);
