import type { AddressChange } from '../log/membership-change.js';
import type { Membership, MembershipAt } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import type { Announcement, Announcements } from '../ports/transport.js';

/** The maximum number of starts that a handshake can represent. */
const MAX_COUNT = 999_999_999_999_999;

interface Entry {
  readonly count: number;
  /**
   * The announced address; undefined once the membership contains a newer address for this server.
   */
  readonly address: string | undefined;
}

/**
 * The addresses that servers announced after their starts, including this server's address. An
 * announced address is newer than the one in the membership, until a committed membership changes
 * the address again. These addresses let servers connect to each other without a leader. A wrong
 * address is harmless, because the handshake contains the server's id.
 */
export class AddressBook implements Announcements {
  readonly #own: ServerId;
  readonly #onChange: () => void;
  /** The newest announcement of each server, ordered from oldest to newest. */
  readonly #entries = new Map<ServerId, Entry>();
  /** The addresses in the newest committed membership. */
  #committed: ReadonlyMap<ServerId, string> = new Map();
  /** The ids of all servers in the live memberships. */
  #members: ReadonlySet<ServerId> = new Set();
  #version = 0;

  /**
   * Creates the address book. `address` is the address that this server announces; undefined to
   * announce nothing. `starts` is how often this server has started. `onChange` is called when a
   * server announces a different address.
   */
  constructor(own: ServerId, address: string | undefined, starts: number, onChange: () => void) {
    this.#own = own;
    this.#onChange = onChange;
    if (address !== undefined) this.#entries.set(own, { count: starts, address });
  }

  get version(): number {
    return this.#version;
  }

  /**
   * Returns the announced address of a server. Returns undefined if the server has announced none,
   * or if the membership has a newer address.
   */
  addressOf(id: ServerId): string | undefined {
    return this.#entries.get(id)?.address;
  }

  list(): Announcement[] {
    const all: Announcement[] = [];
    for (const [id, { count, address }] of this.#entries) if (address !== undefined) all.push({ id, count, address });
    return all.reverse();
  }

  isNews({ id, count, address }: Announcement): boolean {
    // Reject the highest possible count, because this server must be able to answer with a higher
    // one.
    if (count >= MAX_COUNT) return false;
    const known = this.#entries.get(id);
    // If this server's disk was replaced, it counts its starts from 1 again. Another server may
    // then send an announcement that was made from the old disk and has a higher count. In that
    // case, this server answers with an even higher count.
    if (id === this.#own) return known?.address !== undefined && known.address !== address && known.count <= count;
    return this.#members.has(id) && (known === undefined || known.count < count);
  }

  learn(announcement: Announcement): void {
    if (!this.isNews(announcement)) return;
    const { id, count, address } = announcement;
    const before = this.addressOf(id) ?? this.#committed.get(id);
    this.#entries.delete(id);
    this.#entries.set(id, id === this.#own ? { count: count + 1, address: before } : { count, address });
    if (id === this.#own || address !== before) this.#changed();
  }

  /**
   * Applies the live memberships. A committed change of an address replaces an earlier announcement
   * of that server.
   */
  follow(live: readonly MembershipAt[]): void {
    const [settled] = live;
    this.#members = new Set(live.flatMap(({ membership }) => [...membership.servers.keys()]));
    const before = this.#committed;
    this.#committed = addressesIn(settled?.membership);
    for (const [id, { count, address }] of this.#entries) {
      const [now, then] = [this.#committed.get(id), before.get(id)];
      if (!this.#members.has(id) && id !== this.#own) this.#entries.delete(id);
      else if (then !== undefined && now !== undefined && now !== then && now !== address)
        this.#entries.set(id, { count, address: undefined });
    }
  }

  /**
   * Returns the announced addresses that differ from the committed addresses. `check` throws to
   * refuse an address, for example because another server already has it. Refused addresses are not
   * returned but passed to `onRefused`.
   */
  changes(
    check: (addresses: ReadonlyMap<ServerId, string>) => void,
    onRefused: (id: ServerId, error: unknown) => void,
  ): ReadonlyMap<ServerId, AddressChange> {
    const named = this.#committed;
    // Servers may have swapped addresses, so compare all new addresses with each other.
    const next = [...named].map(([id, address]) => [id, this.addressOf(id) ?? address] as const);
    const changes = new Map<ServerId, AddressChange>();
    for (const [id, address] of next) {
      const from = named.get(id) as string;
      if (address === from) continue;
      try {
        for (const other of next) check(new Map([[id, address], other]));
        changes.set(id, { from, to: address });
      } catch (error) {
        onRefused(id, error);
      }
    }
    return changes;
  }

  #changed(): void {
    this.#version += 1;
    this.#onChange();
  }
}

function addressesIn(membership: Membership | undefined): ReadonlyMap<ServerId, string> {
  return new Map([...(membership?.servers ?? [])].map(([id, { address }]) => [id, address]));
}
