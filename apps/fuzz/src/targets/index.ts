import type { Target } from '../target.js';
import { address } from './address.js';
import { database } from './database.js';
import { demoCli } from './demo-cli.js';
import { demoCluster } from './demo-cluster.js';
import { demoHttp } from './demo-http.js';
import { demoState } from './demo-state.js';
import { frame } from './frame.js';
import { handshake } from './handshake.js';
import { log } from './log.js';
import { machine } from './machine.js';
import { peerHttp, peerWs } from './peers.js';
import { snapshot } from './snapshot.js';

export const targets: readonly Target[] = [
  frame,
  handshake,
  address,
  peerHttp,
  peerWs,
  log,
  snapshot,
  database,
  machine,
  demoHttp,
  demoState,
  demoCluster,
  demoCli,
];
