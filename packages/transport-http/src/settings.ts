/** The content type of bodies with a frame of `@kontiki/core/wire`. Body parsers do not know it. */
export const CONTENT_TYPE = 'application/x-kontiki';

/**
 * In a response, the header asks the peer to poll, because the responding server cannot reach the
 * peer. In a request, it marks a poll: the response may be held until there are messages.
 */
export const POLL_HEADER = 'kontiki-poll';
