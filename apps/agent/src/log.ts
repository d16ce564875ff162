import pino from 'pino';

/** Every field a log line may carry. A field that is not here is printed as `[redacted]`. */
export type LogFields = Partial<{
  agentId: string;
  attempt: number;
  code: string;
  controlPlane: string;
  delayMs: number;
  detail: string;
  durationMs: number;
  entries: number;
  epoch: number;
  fromDisk: boolean;
  group: string;
  offsetMs: number;
  path: string;
  requestId: string;
  revision: number;
  signal: string;
  stack: string;
  taskId: string;
  taskKind: string;
  version: string;
}>;

const allowed: ReadonlySet<string> = new Set(
  Object.keys({
    agentId: 1,
    attempt: 1,
    code: 1,
    controlPlane: 1,
    delayMs: 1,
    detail: 1,
    durationMs: 1,
    entries: 1,
    epoch: 1,
    fromDisk: 1,
    group: 1,
    offsetMs: 1,
    path: 1,
    requestId: 1,
    revision: 1,
    signal: 1,
    stack: 1,
    taskId: 1,
    taskKind: 1,
    version: 1,
  } satisfies Record<keyof LogFields, 1>),
);

type Write = (fields: LogFields, message: string) => void;
export type Log = { debug: Write; info: Write; warn: Write; error: Write };
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** JSON lines on standard error, or on `destination`. */
export function createLog(level: LogLevel, destination: pino.DestinationStream = pino.destination({ fd: 2, sync: true })): Log {
  return pino(
    {
      level,
      base: { program: 'sallyport-agent', pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: redactUnknown },
    },
    destination,
  );
}

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function redactUnknown(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, allowed.has(name) ? value : '[redacted]']),
  );
}
