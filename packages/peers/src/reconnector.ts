import { KontikiError, type ServerId } from '@kontiki/core';
import { parseAddress, withTls } from './address.js';
import { Backoff } from './backoff.js';
import type { Context } from './peer-transport.js';

/**
 * Milliseconds after which a connection counts as stable. When a stable connection is lost, the
 * delays start over. An outage that lasts at least this long is logged as a warning. In a shorter
 * outage, the peer may just be restarting.
 */
const LASTING_MS = 5_000;

/**
 * Decides when to dial one peer at one address, and logs the results. The transport makes the
 * attempts in the `dial` callback, and reports the results by calling the `on…` methods. The first
 * attempt is made immediately. After each lost connection or failed attempt, the next attempt
 * follows a delay that doubles from `reconnectMinMs` to `reconnectMaxMs`. When a peer connects to
 * this server, it is known to be alive, so `reconnectSoon` shortens the delay to `reconnectMinMs`.
 */
export class Reconnector {
  readonly address: string;
  readonly #context: Context;
  readonly #peer: ServerId;
  readonly #dial: (url: URL) => void;
  readonly #backoff: Backoff;
  #timer: NodeJS.Timeout | undefined;
  /** The time at which the last connection was lost, or at which dialing started. */
  #disconnectedAt: number = performance.now();
  /** The time at which the current connection was opened. Undefined if there is no connection. */
  #connectedAt: number | undefined;
  /** Whether `reconnectSoon` has shortened a delay since the last tick. */
  #shortened = false;
  #closed = false;

  /** `dial` starts an attempt. The attempt must end with a call to `onConnected` or `onEnded`. */
  constructor(context: Context, peer: ServerId, address: string, dial: (url: URL) => void) {
    const { limits, random } = context;
    this.address = address;
    this.#context = context;
    this.#peer = peer;
    this.#dial = dial;
    this.#backoff = new Backoff(limits.reconnectMinMs, limits.reconnectMaxMs, random);
  }

  /**
   * Dials the peer. Called directly for the first attempt, and by a timer for all later attempts.
   */
  start(): void {
    this.#timer = undefined;
    if (this.#closed) return;
    const url = this.#target();
    if (url !== undefined) this.#dial(url);
  }

  /**
   * Returns the URL to dial, or undefined if the address is invalid. Does not throw, because the
   * membership with this address is already in the log, and the peer can still dial this server.
   */
  #target(): URL | undefined {
    const { dial, security } = this.#context;
    let url: URL;
    try {
      url = parseAddress(dial === undefined ? this.address : checkTarget(dial(this.#peer, this.address)));
    } catch (error) {
      const fault = dial === undefined ? 'its address in the membership is invalid' : 'the option dial has failed';
      this.#log('error', 'address', `cannot dial ${this.#peer}: ${fault}`, { error });
      // A later attempt may succeed, so schedule one.
      if (dial !== undefined) this.onEnded();
      return undefined;
    }
    // Use TLS with authenticated peers, even if the scheme of the address is `http:` or `ws:`. This
    // lets a cluster introduce TLS without changing the addresses in its membership.
    if (security.isOn) withTls(url);
    return url;
  }

  /**
   * Shortens the delay before the next attempt. Called when there is evidence that the peer is
   * alive.
   */
  reconnectSoon(): void {
    if (this.#timer === undefined || this.#shortened) return;
    // Shorten the delay at most once per tick. A peer that connects repeatedly must not postpone
    // the next attempt forever, nor cause many attempts.
    this.#shortened = true;
    this.#backoff.reset();
    this.#wait();
  }

  /**
   * Starts a new tick, in which `reconnectSoon` may shorten the delay once. Called once per
   * `pingIntervalMs`.
   */
  tick(): void {
    this.#shortened = false;
  }

  /** Called when an attempt to connect succeeds. */
  onConnected(): void {
    this.#connectedAt = performance.now();
    this.#log('info', 'connected', `connected to ${this.#peer}`, { address: this.address });
  }

  /**
   * Called when the connection has been lost or the attempt has failed. Schedules the next attempt.
   */
  onEnded(): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#connectedAt !== undefined) {
      this.#disconnectedAt = now;
      if (now - this.#connectedAt >= LASTING_MS) this.#backoff.reset();
      this.#connectedAt = undefined;
    }
    this.#wait();
  }

  /**
   * Logs that a server answered, but that one of the two servers refused the other. This is always
   * logged as a warning, because an operator must fix the cause.
   */
  onRefused(reason: string): void {
    this.#logFailure('warn', 'refused', reason);
  }

  /** Logs that the peer cannot be reached. */
  onUnreachable(reason: string): void {
    const lasting = performance.now() - this.#disconnectedAt >= LASTING_MS;
    this.#logFailure(lasting ? 'warn' : 'debug', lasting ? 'unreachable' : 'dial', reason);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.start(), this.#backoff.next());
  }

  #logFailure(level: 'debug' | 'warn', topic: string, reason: string): void {
    if (this.#closed) return;
    // OpenSSL error messages contain line breaks.
    const line = reason.replaceAll(/\s+/g, ' ').trim();
    this.#log(level, topic, `cannot connect to ${this.#peer}: ${line}`, { address: this.address });
  }

  #log(
    level: 'debug' | 'info' | 'warn' | 'error',
    reason: string,
    text: string,
    details: Readonly<Record<string, unknown>>,
  ): void {
    const { logger } = this.#context;
    logger.log(level, logger.topic(reason, this.#peer), text, details);
  }
}

function checkTarget(target: unknown): string {
  if (typeof target === 'string') return target;
  throw new KontikiError(
    'KONTIKI_BAD_OPTION',
    `dial must return the address to dial as a string, not ${typeof target}.`,
  );
}
