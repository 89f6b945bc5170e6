import { expect, it } from 'vitest';
import { provesDeath } from '../src/node-view.js';

const HERE = '0123456789ab-fe00';
const OTHER_BOOT = 'ba9876543210-fe00';
const OTHER_DEVICE = '0123456789ab-2f';

it.each([
  ['the same view', `${HERE}-other`, `${HERE}-other`, true],
  ['a local disk before a reboot', `${OTHER_BOOT}-local`, `${HERE}-local`, true],
  ['a local disk that was mounted again', `${OTHER_DEVICE}-local`, `${HERE}-local`, true],
  ['another mount', `${OTHER_DEVICE}-other`, `${HERE}-local`, false],
  ['the folder under an overlay', `${HERE}-local`, `${OTHER_DEVICE}-other`, false],
  ['two FUSE mounts', `${OTHER_DEVICE}-other`, `${HERE}-other`, false],
  ['a network share', `${OTHER_BOOT}-other`, `${HERE}-other`, false],
  ['a client of a share on this machine', `${OTHER_BOOT}-other`, `${HERE}-local`, false],
  ['an unknown view', '', `${HERE}-local`, false],
])('provesDeath decides whether a refused connection proves death: %s', (_, owner, mine, expected) => {
  expect(provesDeath(owner, mine)).toBe(expected);
});
