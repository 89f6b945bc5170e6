import { resolve } from 'node:path';
import { CliError, DEMO_COMMAND, EXIT, type ParsedArgs } from '../cli.js';
import { HttpClient } from '../client/http-client.js';
import { authorityOf, readAuthority } from '../cluster/certificates.js';
import { clientUrl, livingNodes, readClusterFile } from '../cluster/cluster-file.js';
import { authorizationOf } from '../token-file.js';

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

/** The nodes of a cluster, and the client for requests to them. */
export interface Nodes {
  readonly urls: readonly string[];
  readonly http: HttpClient;
  /** The cluster's folder; undefined if the nodes were given by --url. */
  readonly data?: string;
}

/** Returns the nodes given by --url, or the nodes in the cluster file in --data. */
export function nodesOf({ values }: ParsedArgs): Nodes {
  const headers = authorizationOf(values);
  const ca = values['ca'] === undefined ? undefined : readAuthority(values['ca'] as string);
  const given = values['url'] as string[] | undefined;
  if (given !== undefined) {
    const invalid = given.find((url) => !/^https?:\/\/[^/]+\/?$/.test(url) || !URL.canParse(url));
    if (invalid !== undefined)
      throw new CliError(`--url must be http[s]://HOST:PORT, not ${JSON.stringify(invalid)}.`, EXIT.usage);
    return { urls: given.map((url) => url.replace(/\/$/, '')), http: new HttpClient({ headers, ca }) };
  }
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const cluster = readClusterFile(data);
  if (cluster === undefined)
    throw new CliError(
      `There is no cluster in ${data}. Name its folder with --data DIR or a node with --url URL, or start a cluster: ${DEMO_COMMAND}`,
      EXIT.usage,
    );
  return {
    urls: livingNodes(cluster).map((node) => clientUrl(node, cluster)),
    http: new HttpClient({ headers, ca: ca ?? authorityOf(data, cluster) }),
    data,
  };
}
