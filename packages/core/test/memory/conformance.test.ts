import { describe, expect, it } from 'vitest';
import { MemoryLog } from '@kontiki/core';
import { testLogStore } from '@kontiki/testing';

const memory = 'memory ends with its process';

testLogStore(
  { describe, it, expect },
  {
    name: 'MemoryLog',
    place: () => {
      const log = new MemoryLog();
      return { store: () => log };
    },
    without: { crash: memory, damage: memory, fail: memory, fill: 'memory is never full', operations: memory },
  },
);
