export type { CallOptions } from './call.js';
export { Client } from './client.js';
export type { QueryOptions } from './client.js';
export { ClusterClient } from './cluster-client.js';
export type { Change, ClusterOptions, SendOptions, WatchOptions } from './cluster-client.js';
export { ClientError, CommandError, errorIn } from './errors.js';
export type { ResponseError } from './errors.js';
export { HttpClient, NoResponseError } from './http-client.js';
export type { HttpClientOptions, NodeRequest, NodeResponse } from './http-client.js';
