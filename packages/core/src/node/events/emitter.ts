import type { Logger } from '../../ports/logger.js';
import { refuseOptions } from '../calls/limited.js';
import { describe } from '../describe.js';
import { badOption, type Names } from '../options.js';

/** Options for an event listener. */
export interface ListenerOptions {
  /** A signal that removes the listener when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

const listenerOptions: Names<ListenerOptions> = { signal: true };

/**
 * Throws `KONTIKI_BAD_OPTION` if the options are invalid. `known` contains the names of all
 * options. A signal that is already aborted is valid, but the caller then adds no listener.
 */
export function checkListenerOptions(options: ListenerOptions, known: object = listenerOptions): void {
  const refused = refuseOptions(options, known);
  if (refused !== undefined && refused.code !== 'KONTIKI_ABORTED') throw refused;
}

/**
 * A typed event emitter. Listeners run after the turn that caused the event, so they may call
 * methods of the node. Exceptions in listeners are logged.
 */
export class Emitter<Events extends object> {
  readonly #listeners: ReadonlyMap<keyof Events, Set<(event: never) => void>>;
  readonly #logger: Logger;

  constructor(logger: Logger, names: readonly (keyof Events)[]) {
    this.#logger = logger;
    this.#listeners = new Map(names.map((name) => [name, new Set()]));
  }

  /**
   * Adds a listener and returns a function that removes it. Throws `KONTIKI_BAD_OPTION` for an
   * unknown event name, because the listener would never run.
   */
  on<Name extends keyof Events>(
    name: Name,
    listener: (event: Events[Name]) => void,
    options: ListenerOptions = {},
  ): () => void {
    const listeners = this.#listenersOf(name);
    if (typeof listener !== 'function') throw badOption(`A listener must be a function, not ${describe(listener)}.`);
    checkListenerOptions(options);
    const { signal } = options;
    // Each call adds a separate listener, even if the same function is passed again.
    const own = (event: Events[Name]): void => listener(event);
    const remove = (): void => {
      listeners.delete(own);
      signal?.removeEventListener('abort', remove);
    };
    if (signal?.aborted === true) return remove;
    listeners.add(own);
    signal?.addEventListener('abort', remove);
    return remove;
  }

  /**
   * Resolves the next time an event with this name is emitted. Never settles if the signal is
   * aborted first.
   */
  next<Name extends keyof Events>(name: Name, signal: AbortSignal): Promise<Events[Name]> {
    return new Promise((resolve) => {
      const remove = this.on(
        name,
        (event) => {
          remove();
          resolve(event);
        },
        { signal },
      );
    });
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    const listeners = this.#listenersOf(name);
    // In most turns, most events have no listener.
    if (listeners.size === 0) return;
    for (const listener of [...listeners] as ((event: Events[Name]) => void)[]) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error(`a listener for '${String(name)}' threw`, { error });
      }
    }
  }

  #listenersOf(name: keyof Events): Set<(event: never) => void> {
    const listeners = this.#listeners.get(name);
    if (listeners !== undefined) return listeners;
    throw badOption(`There is no event ${describe(name)}. Known events: ${[...this.#listeners.keys()].join(', ')}.`);
  }
}
