/**
 * The name of a server: 1 to 64 of the characters `A-Z a-z 0-9 . _ -`. A name is unique in its
 * cluster and is never reused.
 */
export type ServerId = string;

/** The address of a server, and the metadata that the application publishes for it. */
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

/**
 * The identity of a log store: a safe integer above 0, drawn at random when the store is created.
 * It distinguishes a server's original disk from a blank replacement under the same server name.
 */
export type StoreId = number;

/** A server as recorded in a membership. */
export interface Member extends ServerInfo {
  /**
   * The log store whose votes and acknowledgements count for this server. Undefined for learners.
   * Also undefined for voters that joined before the cluster recorded stores. For these voters, any
   * store counts.
   */
  readonly store?: StoreId | undefined;
}

/** The leader of a cluster: its id, address and metadata. */
export interface Leader extends ServerInfo {
  readonly id: ServerId;
}
