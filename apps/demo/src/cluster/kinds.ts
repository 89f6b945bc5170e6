/**
 * Kinds of stores: files, LevelDB, or memory. Data in memory is lost when the node's process exits.
 */
export const STORAGES = ['fs', 'level', 'memory'] as const;

export type Storage = (typeof STORAGES)[number];

/** Transports between the nodes: WebSocket or HTTP. */
export const TRANSPORTS = ['ws', 'http'] as const;

export type TransportName = (typeof TRANSPORTS)[number];
