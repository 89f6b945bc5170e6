/** Receives a server's log messages. `console` implements this interface. */
export interface Logger {
  debug(text: string, details?: Readonly<Record<string, unknown>>): void;
  info(text: string, details?: Readonly<Record<string, unknown>>): void;
  warn(text: string, details?: Readonly<Record<string, unknown>>): void;
  error(text: string, details?: Readonly<Record<string, unknown>>): void;
}

/** A logger that discards every message. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
