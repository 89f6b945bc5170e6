// Starts the three servers of an example in this folder. Ctrl-C stops them.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const data = { 'feature-flags': 'flags-data', 'leader-cron': 'cron-data' };
const [name = ''] = process.argv.slice(2);
if (!Object.hasOwn(data, name)) {
  process.stderr.write(`Name an example: ${Object.keys(data).join(' or ')}\n`);
  process.exit(2);
}
const main = fileURLToPath(new URL(`${name}/dist/main.js`, import.meta.url));
// The first start bootstraps the servers. A later start must not.
const flags = existsSync(data[name]) && readdirSync(data[name]).length > 0 ? [] : ['--bootstrap'];
const servers = ['a', 'b', 'c'].map((id) => spawn(process.execPath, [main, id, ...flags], { stdio: 'inherit' }));
process.stdout.write(`Three servers of ${name} are running. Their data is in ${data[name]}. Ctrl-C stops them.\n`);
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => servers.forEach((server) => server.kill('SIGTERM')));
