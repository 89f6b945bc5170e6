/**
 * The name of a server: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, unique in its cluster and never
 * reused.
 */
export type ServerId = string;

/** A server's address, and metadata from the application. */
export interface ServerInfo {
  /**
   * The address that peers connect to, in the transport's format (`ws://10.0.0.1:7001`). At most
   * 512 bytes of UTF-8.
   */
  readonly address: string;
  /**
   * Data that the application publishes for this server, such as a client URL for redirects. At
   * most 1,024 bytes of UTF-8.
   */
  readonly metadata: string;
}

/** The leader of a cluster, with its id, address and metadata. */
export interface Leader extends ServerInfo {
  readonly id: ServerId;
}
