import { isIPv6 } from 'node:net';

/**
 * Returns the IPv4 address of a machine, or the first 64 bits of its IPv6 address. A single machine
 * may own all IPv6 addresses that start with the same 64 bits.
 */
export function networkOf(address = ''): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail] = address.split('::');
  const left = head.split(':');
  const right = tail?.split(':') ?? [];
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
