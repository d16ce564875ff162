import { DROPPED, standardError, type LogLines } from '@sallyport/config/log-lines';
import pino from 'pino';
import type { Peer } from './host/libc.ts';

/** Every field a log line may carry. A field that is not here is printed as `[redacted]`. */
const allowedFields = [
  'address',
  'agentId',
  'attempt',
  'code',
  'controlPlane',
  'count',
  'delayMs',
  'detail',
  'durationMs',
  'entries',
  'epoch',
  'expiresAt',
  'fingerprint',
  'fromDisk',
  'group',
  'leaseId',
  'offsetMs',
  'name',
  'path',
  'peerGid',
  'peerPid',
  'peerUid',
  'provider',
  'requestId',
  'revision',
  'serialNumber',
  'signal',
  'stack',
  'status',
  'taskId',
  'taskKind',
  'version',
] as const;

export type LogFields = {
  [Field in (typeof allowedFields)[number]]?: string | number | boolean | undefined;
};

type Write = (fields: LogFields, message: string) => void;
export type Log = { debug: Write; info: Write; warn: Write; error: Write };

/** How a line names the program that asked; `pid` is the agent's own. */
export function peerFields(peer: Peer | undefined): LogFields {
  return peer === undefined ? {} : { peerPid: peer.pid, peerUid: peer.uid, peerGid: peer.gid };
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** JSON lines on standard error, or on `lines`. A line that cannot be written is no failure. */
export function createLog(level: LogLevel, lines: LogLines = standardError()): Log {
  const options: pino.LoggerOptions = {
    level,
    base: { program: 'sallyport-agent', pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }), log: redactUnknown },
  };
  const log = pino(options, lines);
  lines.onDropped?.((count) => log.warn({ count }, DROPPED));
  return log;
}

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const allowed: ReadonlySet<string> = new Set(allowedFields);

function redactUnknown(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, allowed.has(name) ? value : '[redacted]']),
  );
}
