/** Of bodies that are frames of `@kontiki/core/wire`. None that body parsers look for. */
export const CONTENT_TYPE = 'application/x-kontiki';

/**
 * In a request: its answer may wait for something to say. In an answer: ask so, since this server cannot reach the one
 * that asks.
 */
export const POLL_HEADER = 'kontiki-poll';
