import { timeSlices } from '../../node/time-slice.js';
import type { Clock } from '../../ports/clock.js';
import { protocolError, Reader, Writer } from '../../wire/index.js';
import type { ChunkReader } from '../chunk-reader.js';
import { foreign } from '../snapshot-head.js';
import { DROPPED, SessionTable, type Kept, type Session } from './session-table.js';

/** The first four bytes of a snapshot with sessions. The version of the format follows. */
export const MAGIC = 0x5345_534b;
const VERSION = 1;
/** The length of the version, the log time and the number of sessions. */
const HEAD = 16;
/** The length of a result that was dropped. */
const DROPPED_LENGTH = 0xffff_ffff;

type SliceClock = Pick<Clock, 'now' | 'defer'>;

/**
 * Encodes sessions: the signature (4 bytes), the version (4), the log time (8) and the number of
 * sessions (4). Then for each session, the length of the following fields (4), its id, ttl, limit of
 * bytes, time of last use and settled number (8 each), and the number of results (4). Each result
 * has its sequence number (8), and the length (4) and bytes of its UTF-8 text. The highest length
 * means that the result was dropped.
 */
export async function* writeSessions(
  { time, sessions }: ReturnType<SessionTable['copy']>,
  clock: SliceClock,
): AsyncGenerator<Uint8Array> {
  const head = new Writer(4 + HEAD);
  head.u32(MAGIC);
  head.u32(VERSION);
  head.u53(time);
  head.u32(sessions.length);
  yield head.bytes;
  const pause = timeSlices(clock);
  for (const session of sessions) {
    yield encodeSession(session);
    await pause();
  }
}

function encodeSession({ id, ttl, resultBytes, used, settled, results }: Session): Uint8Array {
  const utf8 = new TextEncoder();
  const texts = [...results.values()].map((kept) => (typeof kept === 'string' ? utf8.encode(kept) : undefined));
  const length = 44 + texts.reduce((sum, text) => sum + 12 + (text?.length ?? 0), 0);
  const writer = new Writer(4 + length);
  writer.u32(length);
  for (const value of [id, ttl, resultBytes, used, settled]) writer.u53(value);
  writer.u32(results.size);
  for (const [i, sequence] of [...results.keys()].entries()) {
    const text = texts[i];
    writer.u53(sequence);
    writer.u32(text?.length ?? DROPPED_LENGTH);
    if (text !== undefined) writer.raw(text);
  }
  return writer.bytes;
}

/**
 * Decodes sessions, whose signature has been read. Rejects with `KONTIKI_FORMAT` if the bytes are
 * invalid.
 */
export async function readSessions(stream: ChunkReader, clock: SliceClock): Promise<SessionTable> {
  const head = new Reader(await stream.take(HEAD));
  const [version, time, count] = decoded(() => [head.u32(), head.u53(), head.u32()] as const);
  if (version !== VERSION) throw foreign(`has sessions of format ${version}, not ${VERSION}`);
  const table = new SessionTable(time);
  const pause = timeSlices(clock);
  for (let i = 0; i < count; i += 1) {
    const prefix = new Reader(await stream.take(4));
    const bytes = await stream.take(decoded(() => prefix.u32()));
    decoded(() => {
      if (!table.add(decodeSession(new Reader(bytes)))) throw protocolError('A session is listed twice.');
    });
    await pause();
  }
  return table;
}

function decodeSession(reader: Reader): Parameters<SessionTable['add']>[0] {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const [id, ttl, resultBytes] = [reader.u53(), reader.u53(), reader.u53()];
  const [used, settled] = [reader.u53(), reader.u53()];
  const results = new Map<number, Kept>();
  for (let left = reader.count(12); left > 0; left -= 1) {
    const [sequence, size] = [reader.u53(), reader.u32()];
    results.set(sequence, size === DROPPED_LENGTH ? DROPPED : utf8.decode(reader.raw(size)));
  }
  reader.end();
  return { id, ttl, resultBytes, used, settled, results };
}

/** Returns what a decoder returns. Any error means that the sessions cannot be decoded. */
function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw foreign('has sessions that cannot be decoded', error);
  }
}
