// Shows that clients with sessions get an outcome for each command, and that each command is applied
// once, while nodes of real processes are killed and suspended. `SESSIONS_SECONDS` sets the duration.
import { checkHistory, Random, register } from '@kontiki/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DemoCluster, eventually } from './cluster.js';
import { Recorder } from './recorder.js';

const SECONDS = Number(process.env['SESSIONS_SECONDS'] ?? 8);
const CLIENTS = 20;

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

it(
  'commands in sessions are applied once each while nodes are killed and suspended',
  async () => {
    await cluster.start();
    const recorder = new Recorder(cluster, CLIENTS, { timeout: 30_000 });
    const random = new Random(1, 'faults');
    let faults = 0;
    for (const end = performance.now() + SECONDS * 1_000; performance.now() < end; faults += 1) {
      const id = random.pick(cluster.ids);
      let pid = 0;
      await eventually(`${id} answers`, async () => (pid = (await cluster.status(id))?.pid ?? 0) > 0, 30_000);
      if (random.chance(0.5)) {
        process.kill(pid, 'SIGKILL');
        cluster.run(['node', '--id', id, '--data', cluster.data]);
      } else {
        process.kill(pid, 'SIGSTOP');
        const enough = recorder.history.length + 3_000;
        try {
          await eventually(`the others go on without ${id}`, () => recorder.history.length >= enough, 30_000);
        } finally {
          process.kill(pid, 'SIGCONT');
        }
      }
      await eventually(`${id} has caught up`, () => cluster.caughtUp(id), 30_000);
    }
    await recorder.stop();
    const { history, unknown } = recorder;
    console.log(`sessions: ${history.length} operations of ${CLIENTS} clients, ${faults} faults, ${unknown} unknown`);
    expect(unknown).toBe(0);
    expect(faults).toBeGreaterThan(0);
    expect(history.length).toBeGreaterThan(50 * SECONDS);
    expect(checkHistory(register, history)).toEqual([]);
  },
  SECONDS * 1_000 + 120_000,
);
