import { DROPPED, standardError, type LogLines } from '@sallyport/config/log-lines';
import { pino, type Logger } from 'pino';
import { AppError } from './app-error.ts';

export type Log = Logger;

/** The only fields that reach a log line with their value; any other is replaced. Names, ids, counts and codes. */
const ALLOWED = new Set(
  (
    'requestId method route status durationMs address port host url code component operator agentId groupId ' +
    'taskId action revision epoch attempt count fingerprint version roles queue database key names reason expiresAt err'
  ).split(' '),
);
const HIDDEN = '[redacted]';

/** pino with JSON lines on standard error, or on `lines`; fields redacted by allow-list and errors reduced to what cannot carry a value. */
export function createLog(level: string, lines: LogLines = standardError()): Log {
  const log = pino(
    {
      level,
      base: { program: 'sallyport-server' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: redact },
      // pino’s own would take a description that has a message for an error, and describe it again.
      serializers: { err: (described: unknown) => described },
    },
    lines,
  );
  lines.onDropped?.((count) => log.warn({ count }, DROPPED));
  return log;
}

function redact(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      ALLOWED.has(name) ? plain(name, value) : HIDDEN,
    ]),
  );
}

function plain(name: string, value: unknown): unknown {
  if (name === 'err') return describeError(value);
  if (Array.isArray(value)) return value.map((item) => plain('', item));
  return typeof value === 'object' && value !== null ? HIDDEN : value;
}

/**
 * Type, code and, but for refusals and what they come from, stack frames. A foreign error's message is left out, since drivers quote statements and
 * values in theirs.
 */
function describeError(error: unknown, depth = 0, ofRefusal = false): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  return {
    type: error.name,
    ...codeOf(error),
    ...(error instanceof AppError ? { message: error.message, detail: error.privateDetail } : {}),
    ...(ofRefusal || isRefusal(error) ? {} : { stack: framesOf(error) }),
    ...(error.cause === undefined || depth === 3
      ? {}
      : { cause: describeError(error.cause, depth + 1, ofRefusal || isAnswered(error)) }),
  };
}

/** Whoever reads of a refusal wants its code; where it was thrown says nothing more. */
function isRefusal(error: Error): boolean {
  return error instanceof AppError && error.kind !== 'internal';
}

/** Of what the caller has sent, where no fault of this program or of what it needs is behind it. */
function isAnswered(error: Error): boolean {
  return isRefusal(error) && error instanceof AppError && error.kind !== 'unavailable';
}

/** The stack without its message, whose lines may look like frames; none of it if the message was changed since. */
function framesOf({ stack = '', message }: Error): string[] {
  const start = stack.indexOf(message);
  if (start === -1) return [];
  const lines = stack.slice(start + message.length).split('\n');
  return lines
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .map((line) => line.trim());
}

function codeOf(error: Error): Record<string, unknown> {
  return Object.fromEntries(
    ['code', 'syscall', 'address', 'port'].flatMap((key) => {
      const value: unknown = Reflect.get(error, key);
      return typeof value === 'string' || typeof value === 'number' ? [[key, value]] : [];
    }),
  );
}
