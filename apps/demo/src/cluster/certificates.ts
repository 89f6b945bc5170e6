import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerTls, SecurityOptions } from '@kontiki/peers';
import { CliError, COMMAND, shellWord } from '../cli.js';
import type { Authority } from './authority.js';
import type { ClusterFile } from './cluster-file.js';
import { writeAtomically } from './write-atomically.js';

const AUTHORITY = 'authority';

/** Loads the certificate library only when it is needed, because loading it takes a second. */
const loadAuthority = async (): Promise<typeof Authority> => (await import('./authority.js')).Authority;

/** Returns the paths of a certificate and its key in a cluster's folder. */
export function certificatePaths(data: string, name: string): { readonly cert: string; readonly key: string } {
  return { cert: join(data, 'tls', `${name}.pem`), key: join(data, 'tls', `${name}.key`) };
}

/** Creates a throw-away authority in a cluster's folder, and a certificate for each node. */
export async function createCertificates(data: string, { cluster, nodes }: ClusterFile): Promise<void> {
  const Authority = await loadAuthority();
  const authority = await Authority.create(cluster);
  mkdirSync(join(data, 'tls'), { mode: 0o700, recursive: true });
  write(data, AUTHORITY, await authority.pem());
  for (const { id } of nodes) write(data, id, await authority.issue(cluster, id));
}

/** Creates or renews a server's certificate. */
export async function issueCertificate(data: string, cluster: string, id: string): Promise<void> {
  const Authority = await loadAuthority();
  const { cert, key } = certificatePaths(data, AUTHORITY);
  const authority = await Authority.read({ cert: read(cert, data, id), key: read(key, data, id) });
  write(data, id, await authority.issue(cluster, id));
}

/** Returns the path of the authority that signed a cluster's certificates. */
export const authorityPath = (data: string): string => certificatePaths(data, AUTHORITY).cert;

/** Reads the authority that clients should trust. */
export function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(
      `Cannot read the authority ${path}: ${(error as Error).message}. Name another file with --ca FILE.`,
      undefined,
      { cause: error },
    );
  }
}

/** Reads a cluster's authority. Returns undefined if the cluster has no certificates. */
export function authorityOf(data: string, { tls }: ClusterFile): string | undefined {
  return tls === true ? readAuthority(authorityPath(data)) : undefined;
}

/** Reads a node's certificate, as options for its transport. */
export function readCertificate(data: string, id: string): PeerTls {
  const { cert, key } = certificatePaths(data, id);
  return { cert: read(cert, data, id), key: read(key, data, id), ca: read(authorityPath(data), data, id) };
}

/**
 * Reads shared secrets from a file with one secret per line. The transport uses the first secret
 * when it dials. Its errors never contain a secret.
 */
export function readSecrets(path: string): SecurityOptions {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`Cannot read --secret ${path}: ${(error as Error).message}.`);
  }
  return { secrets: text.split('\n').filter((line) => line.trim() !== '') };
}

function write(data: string, name: string, { cert, key }: { readonly cert: string; readonly key: string }): void {
  const paths = certificatePaths(data, name);
  writeAtomically(paths.key, key);
  writeAtomically(paths.cert, cert);
}

function read(path: string, data: string, id: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(
      `Cannot read the certificate ${path}: ${(error as Error).message}. If the authority is in ${data}, create a certificate: ${COMMAND} cert --id ${id} --data ${shellWord(data)}`,
      undefined,
      { cause: error },
    );
  }
}
