import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { COMMAND, CliError, DEMO_COMMAND, EXIT, parse, shellWord } from '../cli.js';
import { certificatePaths, issueCertificate } from '../cluster/certificates.js';
import { readClusterFile } from '../cluster/cluster-file.js';

const certHelp = `Creates a certificate for a node of a cluster that was created with: ${DEMO_COMMAND} --tls

  ${COMMAND} cert --id ID [flags]

  --id ID           the node: an existing one to renew its certificate, or one more
  --data DIR        folder of the cluster (default kontiki-data)
  --help            print this text

A running node reads its certificate again on SIGHUP.
`;

/** Creates or renews a node's certificate. */
export async function certCommand(args: string[]): Promise<number> {
  const { values } = parse('cert', args, { id: { type: 'string' }, data: { type: 'string' } });
  if (values['help'] === true) {
    process.stdout.write(certHelp);
    return 0;
  }
  const id = values['id'];
  if (typeof id !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id) || id === 'authority')
    throw new CliError(`--id must name a node, for example n1. See: ${COMMAND} cert --help`, EXIT.usage);
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const cluster = readClusterFile(data);
  if (cluster === undefined)
    throw new CliError(`There is no cluster in ${data}. Create one: ${DEMO_COMMAND} --tls --data ${shellWord(data)}`);
  if (cluster.tls !== true)
    throw new CliError(
      `The cluster in ${data} has no certificates. Create one that does: ${DEMO_COMMAND} --tls --data ${shellWord(data)}`,
    );
  await issueCertificate(data, cluster.cluster, id);
  const { cert, key } = certificatePaths(data, id);
  process.stdout.write(`${cert}\n${key}\n`);
  return 0;
}

const secretHelp = `Prints a new shared secret: 32 random bytes in base64.

  npx -y pnpm@10.34.9 -s kontiki-demo secret > FILE
  ${DEMO_COMMAND} --secret FILE

A file may have several secrets, one per line. Nodes dial with the first and accept all of them.
`;

/** Prints a new shared secret. */
export function secretCommand(args: string[]): Promise<number> {
  const { values } = parse('secret', args, {});
  process.stdout.write(values['help'] === true ? secretHelp : `${randomBytes(32).toString('base64')}\n`);
  return Promise.resolve(0);
}
