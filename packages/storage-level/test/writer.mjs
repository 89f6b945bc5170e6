// Appends to the log in the given LevelDB as fast as possible. Prints each acknowledged index.
import { ClassicLevel } from 'classic-level';
import { LevelLog } from '@kontiki/storage-level';

const log = new LevelLog(new ClassicLevel(process.argv[2]));
let { last: index } = await log.open({ cluster: 'test', server: 'a' });
const append = async () => {
  for (;;) {
    const mine = (index += 1);
    const data = new Uint8Array(500).fill(mine);
    const ballot = { term: mine, votedFor: 'a' };
    await log.append({ ballot, entries: [{ kind: 'command', index: mine, term: 1, data }] });
    process.stdout.write(`${mine}\n`);
  }
};
await Promise.all(Array.from({ length: 8 }, append));
