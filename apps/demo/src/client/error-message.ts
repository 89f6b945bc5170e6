/** Returns the message of a node's JSON error, or the first 200 characters of any other body. */
export function errorMessageOf(body: string): string {
  try {
    return (JSON.parse(body) as { error: { message: string } }).error.message;
  } catch {
    return body.trim().slice(0, 200);
  }
}

/** Removes a final period, so that the message can be quoted inside a sentence. */
export function withoutPeriod(message: string): string {
  return message.trim().replace(/\.$/, '');
}
