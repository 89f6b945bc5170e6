export { SimulatedLevel, type SimulatedLevelOptions } from './simulated-level.js';
