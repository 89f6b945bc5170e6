import type { Position } from '@kontiki/core';
import type { Raft, Turn } from '@kontiki/core/protocol';

/**
 * The commands that one server has forwarded and that have not been answered yet, by the number
 * (ticket) of the forwarded message.
 */
export class Forwards {
  readonly #sent = new Map<number, readonly Uint8Array[]>();

  /**
   * Sends commands to the leader. Returns false without sending them if the server cannot forward.
   */
  send(raft: Raft, commands: readonly Uint8Array[]): boolean {
    if (!raft.forwarded.canForward) return false;
    this.#sent.set(raft.forwarded.send(commands), commands);
    return true;
  }

  /**
   * Called with the leader's answer. Returns the positions of the commands that the leader
   * appended, and the commands that it refused.
   */
  take({ forwarded }: Turn): { readonly appended: Position[]; readonly refused: Uint8Array[] } {
    const appended: Position[] = [];
    const refused: Uint8Array[] = [];
    for (const { ticket, term, accepted, index, refused: why } of forwarded) {
      const commands = this.#sent.get(ticket) ?? [];
      this.#sent.delete(ticket);
      for (let i = 0; i < Math.min(accepted, commands.length); i += 1) appended.push({ index: index + i, term });
      if (why !== undefined) refused.push(...commands.slice(accepted));
    }
    return { appended, refused };
  }

  /** Forgets all commands after a crash. Their outcome is unknown. */
  abandon(): void {
    this.#sent.clear();
  }
}
