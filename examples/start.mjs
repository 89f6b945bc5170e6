// Starts the three servers of an example in this folder. Ctrl-C stops them.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const data = { 'feature-flags': 'flags-data', 'leader-cron': 'cron-data' };
const [name = ''] = process.argv.slice(2);
if (!Object.hasOwn(data, name)) {
  process.stderr.write(`Name an example: ${Object.keys(data).join(' or ')}\n`);
  process.exit(2);
}
const main = fileURLToPath(new URL(`${name}/dist/main.js`, import.meta.url));
// The first start of each server bootstraps it. A later start must not. Ctrl-C must reach the servers
// only as SIGTERM, so they run in process groups of their own.
const servers = ['a', 'b', 'c'].map((id) => {
  const flags = existsSync(join(data[name], id)) ? [] : ['--bootstrap'];
  return spawn(process.execPath, [main, id, ...flags], { stdio: 'inherit', detached: true });
});
process.stdout.write(`Three servers of ${name} are running. Their data is in ${data[name]}. Ctrl-C stops them.\n`);
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => servers.forEach((server) => server.kill('SIGTERM')));
