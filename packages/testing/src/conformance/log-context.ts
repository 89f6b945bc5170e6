import type { LogStore } from '@kontiki/core';
import type { StoreSuite, StoreTests } from './store-context.js';

export type LogStoreSuite = StoreSuite<LogStore>;
export type LogTests = StoreTests<LogStore>;
