import { expect, test } from '@jest/globals';
import { createLog, type LogFields } from './log.ts';

function linesOf(write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLog('info', { write: (line: string) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line));
}

test('a field that is not on the list is printed as [redacted]', () => {
  const careless: Record<string, string> = { code: 'link.refused', password: 'canary' };
  const fields: LogFields = careless;
  expect(linesOf((log) => log.warn(fields, 'x'))).toMatchObject([
    { level: 'warn', code: 'link.refused', password: '[redacted]' },
  ]);
});

test('a level below the configured one is not printed', () => {
  expect(linesOf((log) => log.debug({}, 'x'))).toEqual([]);
});
