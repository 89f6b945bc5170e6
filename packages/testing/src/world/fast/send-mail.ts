import type { Raft, Turn } from '@kontiki/core/protocol';
import type { Observed } from './checks.js';
import type { ServerContext } from './context.js';

interface Sender extends Observed {
  readonly raft: Raft | undefined;
}

/** Sends the messages of a server's turn. */
export function sendMail({ network, bounds, checks }: ServerContext, server: Sender, { mail }: Turn): void {
  for (const [to, messages] of mail.flatMap((some) => [...some])) {
    bounds.mailed(server.id, server.raft?.role, messages.length);
    for (const message of messages) {
      checks.sent(server, to, message);
      network.send(server.id, to, message);
    }
  }
}
