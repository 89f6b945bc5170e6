import { resolve } from 'node:path';
import type { ClusterOptions } from '@kontiki/client';
import { CliError, DEMO_COMMAND, EXIT, type ParsedArgs } from '../cli.js';
import { authorityOf, readAuthority } from '../cluster/certificates.js';
import { clientUrl, livingNodes, readClusterFile } from '../cluster/cluster-file.js';
import { readToken } from '../token-file.js';

/**
 * Flags that tell a client the nodes of a cluster, the authority to trust, and the token to send.
 */
export const nodesFlags = {
  url: { type: 'string', multiple: true },
  data: { type: 'string' },
  ca: { type: 'string' },
  'token-file': { type: 'string' },
} as const;

export const nodesHelp = `  --url URL         URL of any node, http[s]://HOST:PORT; repeatable (default: all nodes of --data)
  --data DIR        folder of the cluster (default kontiki-data)
  --ca FILE         authority that the nodes' certificates come from (default with --data: its own)
  --token-file FILE token of the nodes; for snapshots, their admin token
`;

/** The nodes of a cluster, and how a client reaches them. */
export interface Nodes extends Pick<ClusterOptions, 'urls' | 'token' | 'tls'> {
  /** The cluster's folder; undefined if the nodes were given by --url. */
  readonly data?: string;
}

/** Returns the nodes given by --url, or the nodes in the cluster file in --data. */
export function nodesOf({ values }: ParsedArgs): Nodes {
  const token = readToken('token-file', values['token-file']);
  const ca = values['ca'] === undefined ? undefined : readAuthority(values['ca'] as string);
  const given = values['url'] as string[] | undefined;
  if (given !== undefined) {
    const invalid = given.find((url) => !/^https?:\/\/[^/]+\/?$/.test(url) || !URL.canParse(url));
    if (invalid !== undefined)
      throw new CliError(`--url must be http[s]://HOST:PORT, not ${JSON.stringify(invalid)}.`, EXIT.usage);
    return { urls: given.map((url) => url.replace(/\/$/, '')), token, tls: { ca } };
  }
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const cluster = readClusterFile(data);
  if (cluster === undefined)
    throw new CliError(
      `There is no cluster in ${data}. Name its folder with --data DIR or a node with --url URL, or start a cluster: ${DEMO_COMMAND}`,
      EXIT.usage,
    );
  const urls = livingNodes(cluster).map((node) => clientUrl(node, cluster));
  return { urls, token, tls: { ca: ca ?? authorityOf(data, cluster) }, data };
}
