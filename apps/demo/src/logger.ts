import type { Logger } from '@kontiki/core';

/** Control characters would let what a peer or client sent forge lines. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/g;

function say(value: unknown): string {
  const text = value instanceof Error ? value.message : typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(CONTROL, ' ');
}

/** A line an event: time, level, text, details. Debugging details are left out unless KONTIKI_DEBUG is set. */
export function plainLogger(stream: NodeJS.WritableStream): Logger {
  const log =
    (level: string) =>
    (text: string, details: Readonly<Record<string, unknown>> = {}): void => {
      const rest = Object.entries(details).map(([name, value]) => ` ${name}=${say(value)}`);
      stream.write(`${new Date().toISOString().slice(11, 23)} ${level} ${say(text)}${rest.join('')}\n`);
    };
  const debug = process.env['KONTIKI_DEBUG'] === undefined ? (): void => {} : log('debug');
  return { debug, info: log('info '), warn: log('warn '), error: log('error') };
}
