// Appends to the log in the given folder. Prints the number of acknowledged entries, and the error
// that made the log unusable.
import { FileLog } from '@kontiki/storage-fs';

const log = new FileLog(process.argv[2], { segmentBytes: 64 * 1024 });
const { last } = await log.open({ cluster: 'test', server: 'a' });
let acknowledged = last;
try {
  for (;;) {
    await log.append({
      ballot: { term: acknowledged + 1, votedFor: 'a' },
      entries: [{ kind: 'command', index: acknowledged + 1, term: 1, data: new Uint8Array(500).fill(acknowledged) }],
    });
    acknowledged += 1;
    if (acknowledged === last + 400) break;
  }
  console.log(JSON.stringify({ acknowledged }));
} catch ({ code, cause }) {
  const again = await log
    .append({ committed: 0, ballot: { term: 1_000_000, votedFor: 'a' } })
    .catch((error) => error.code);
  console.log(JSON.stringify({ acknowledged, code, cause: cause?.code, again }));
}
await log.close();
