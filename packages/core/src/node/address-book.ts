import type { AddressChange } from '../log/membership-change.js';
import type { Membership, MembershipAt } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import type { Announcement, Announcements } from '../ports/transport.js';

/** The highest count that a handshake can carry. */
const MAX_COUNT = 999_999_999_999_999;

interface Entry {
  readonly count: number;
  /** Undefined once the membership has named a newer address. */
  readonly address: string | undefined;
}

/**
 * The addresses that servers announced after their starts, this server's own included. They are
 * newer than those in the membership, until a committed membership changes an address again. So
 * servers find each other without a leader. A wrong address does no harm, because the handshake
 * names the server.
 */
export class AddressBook implements Announcements {
  readonly #own: ServerId;
  readonly #onChange: () => void;
  /** Announcements by server, oldest first. */
  readonly #entries = new Map<ServerId, Entry>();
  /** The addresses in the newest committed membership. */
  #committed: ReadonlyMap<ServerId, string> = new Map();
  /** The servers in the live memberships. */
  #members: ReadonlySet<ServerId> = new Set();
  #version = 0;

  /**
   * `address` is what this server announces; undefined for nothing. `starts` counts its starts.
   * `onChange` is called when a server announces another address.
   */
  constructor(own: ServerId, address: string | undefined, starts: number, onChange: () => void) {
    this.#own = own;
    this.#onChange = onChange;
    if (address !== undefined) this.#entries.set(own, { count: starts, address });
  }

  get version(): number {
    return this.#version;
  }

  /** Returns the announced address of a server, unless the membership has a newer one. */
  addressOf(id: ServerId): string | undefined {
    return this.#entries.get(id)?.address;
  }

  list(): Announcement[] {
    const all: Announcement[] = [];
    for (const [id, { count, address }] of this.#entries) if (address !== undefined) all.push({ id, count, address });
    return all.reverse();
  }

  isNews({ id, count, address }: Announcement): boolean {
    // This server must be able to answer with a higher count.
    if (count >= MAX_COUNT) return false;
    const known = this.#entries.get(id);
    // A server whose disk was replaced counts its starts from one again. So it answers a higher
    // count than its own, which is of its earlier disk, with an even higher one.
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
   * Follows the live memberships. A committed change of an address replaces an earlier
   * announcement.
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
   * Returns the announced addresses that differ from the committed ones. Leaves out those that
   * `check` refuses by throwing, for example because another server has the address, and passes
   * them to `onRefused`.
   */
  changes(
    check: (addresses: ReadonlyMap<ServerId, string>) => void,
    onRefused: (id: ServerId, error: unknown) => void,
  ): ReadonlyMap<ServerId, AddressChange> {
    const named = this.#committed;
    // Servers may have exchanged their addresses, so all new ones are compared with each other.
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
