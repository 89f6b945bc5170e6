// Tries to lock a folder, prints the result, and holds the lock until its input ends.
import { openFolder } from '../dist/node-folder.js';

process.stdin.resume();
try {
  const lock = await (await openFolder(process.argv[2])).lock('test');
  console.log('won');
  process.stdin.on('end', () => lock.release());
} catch (error) {
  console.log(error.code ?? '', error.message);
  // Ends the process without an exit, which would not wait for the output.
  process.stdin.destroy();
}
