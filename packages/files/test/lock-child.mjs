// Tries to lock a folder, says how that went, and holds the lock until its input ends.
import { openFolder } from '../dist/node-folder.js';

process.stdin.resume();
try {
  const lock = await (await openFolder(process.argv[2])).lock('test');
  console.log('won');
  process.stdin.on('end', () => lock.release());
} catch (error) {
  console.log(error.code ?? error.message);
  // Its end by itself: an exit would not wait until what it says is written.
  process.stdin.destroy();
}
