/**
 * Content type of a body that contains a frame of `@kontiki/core/wire`. Body parsers ignore this
 * type.
 */
export const CONTENT_TYPE = 'application/x-kontiki';

/**
 * Name of a header. In a response, it asks the peer to poll, because the responding server cannot
 * reach the peer. In a request, it marks a poll, whose response may be delayed until there are
 * messages.
 */
export const POLL_HEADER = 'kontiki-poll';
