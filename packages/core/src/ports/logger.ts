/** Where a server tells what happens to it. A console serves. */
export interface Logger {
  debug(text: string, details?: Readonly<Record<string, unknown>>): void;
  info(text: string, details?: Readonly<Record<string, unknown>>): void;
  warn(text: string, details?: Readonly<Record<string, unknown>>): void;
  error(text: string, details?: Readonly<Record<string, unknown>>): void;
}

/** Says nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
