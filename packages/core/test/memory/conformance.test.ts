// Shows that the in-memory log, snapshot store and network fulfill the contracts of the ports that
// they implement. Runs the conformance suites of @kontiki/testing.
import { describe, expect, it } from 'vitest';
import { MemoryLog, MemoryNetwork, MemorySnapshots } from '@kontiki/core';
import { testLogStore, testSnapshotStore, testTransport, VirtualClock } from '@kontiki/testing';

/** The reason for skipping the tests of crashes, damage and failing disks. */
const memory = 'memory does not outlive its process';

testLogStore(
  { describe, it, expect },
  {
    name: 'MemoryLog',
    medium: () => {
      const log = new MemoryLog();
      return { store: () => log };
    },
    without: { crash: memory, damage: memory, fail: memory, fill: 'memory is never full', operations: memory },
  },
);

testSnapshotStore(
  { describe, it, expect },
  {
    name: 'MemorySnapshots',
    medium: () => {
      const snapshots = new MemorySnapshots();
      return { store: () => snapshots };
    },
    without: { crash: memory, damage: memory, fail: memory, fill: 'memory is never full', operations: memory },
  },
);

testTransport(
  { describe, it, expect },
  {
    name: 'MemoryNetwork',
    wire: () => {
      const clock = new VirtualClock();
      const network = new MemoryNetwork({ clock, latency: () => 1 });
      return { transport: () => network.transport(), address: (_, id) => id, until: (holds) => clock.until(holds) };
    },
    without: { hold: 'a peer in the same process cannot stop reading' },
  },
);
