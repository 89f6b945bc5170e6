import type { Logger } from '@kontiki/core';
import { describeFailure } from './describe-failure.js';

/** Control characters, which are replaced so that a peer or client cannot forge log lines. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/g;

function toText(value: unknown): string {
  const text =
    value instanceof Error ? describeFailure(value) : typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(CONTROL, ' ');
}

/**
 * Returns a logger that writes one line per event: time, level, text and details. Debug events are
 * logged only if KONTIKI_DEBUG is set.
 */
export function plainLogger(stream: NodeJS.WritableStream): Logger {
  const log =
    (level: string) =>
    (text: string, details: Readonly<Record<string, unknown>> = {}): void => {
      const rest = Object.entries(details).map(([name, value]) => ` ${name}=${toText(value)}`);
      stream.write(`${new Date().toISOString().slice(11, 23)} ${level} ${toText(text)}${rest.join('')}\n`);
    };
  const debug = process.env['KONTIKI_DEBUG'] === undefined ? (): void => {} : log('debug');
  return { debug, info: log('info '), warn: log('warn '), error: log('error') };
}
