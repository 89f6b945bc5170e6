export { SimulatedDisk } from './simulated-disk.js';
export type { Crash, DiskOperation, SimulatedDiskOptions } from './simulated-disk.js';
export { VirtualClock } from './virtual-clock.js';
