import { isKontikiError, type Announcement, type Announcements, type Identity } from '@kontiki/core';
import { isId } from '@kontiki/core/wire';
import { parseAddress } from './address.js';
import { HandshakeError } from './handshake-error.js';

/**
 * The header that contains announced addresses. Each announcement consists of an id, a count and an
 * address, all separated by spaces.
 */
export const ADDRESSES_HEADER = 'kontiki-addresses';

/** Maximum length of the header. Servers refuse headers of more than 8 KiB in total. */
const MAX_LENGTH = 4_096;
const MAX_ADDRESS = 512;
const COUNT = /^[1-9][0-9]{0,14}$/;

/**
 * Returns the newest announcements that fit into the header, or an empty string if there are none.
 */
export function addressesHeader(announcements: Announcements): string {
  let text = '';
  for (const { id, count, address } of announcements.list()) {
    const longer = `${text}${text === '' ? '' : ' '}${id} ${count} ${address}`;
    if (longer.length > MAX_LENGTH) break;
    text = longer;
  }
  return text;
}

/**
 * Stores the announcements in a header from an authenticated server. Ignores those that are already
 * known. Throws a `HandshakeError` if a new announcement is malformed.
 */
export function learnAddresses({ announcements }: Identity, header: string | readonly string[] | undefined): void {
  if (announcements === undefined || header === undefined) return;
  if (typeof header !== 'string' || header.length > MAX_LENGTH) throw malformed('it is too long');
  const words = header.split(' ');
  for (let i = 0; i < words.length; i += 3) {
    const announcement = parse(words[i], words[i + 1], words[i + 2]);
    if (!announcements.isNews(announcement)) continue;
    checkAddress(announcement.address);
    announcements.learn(announcement);
  }
}

function parse(id: string | undefined, count = '', address = ''): Announcement {
  if (!isId(id) || !COUNT.test(count) || address === '' || address.length > MAX_ADDRESS)
    throw malformed('it must have an id, a count and an address for each server');
  return { id, count: Number(count), address };
}

function checkAddress(address: string): void {
  try {
    if (!/^[!-~]+$/.test(address)) throw new TypeError('it is not printable ASCII');
    parseAddress(address);
  } catch (error) {
    if (!isKontikiError(error) && !(error instanceof TypeError)) throw error;
    throw malformed(error.message);
  }
}

function malformed(fault: string): HandshakeError {
  return new HandshakeError('malformed', `The header ${ADDRESSES_HEADER} cannot be used: ${fault}.`);
}
