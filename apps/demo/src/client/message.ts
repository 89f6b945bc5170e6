import { errorIn } from '@kontiki/client';

/** Returns the message of a node's JSON error, or the first 200 characters of any other body. */
export function messageIn(body: Uint8Array): string {
  return errorIn(body)?.message ?? Buffer.from(body).toString().trim().slice(0, 200);
}
