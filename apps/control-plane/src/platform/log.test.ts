import { describe, expect, test } from '@jest/globals';
import { AppError } from './app-error.ts';
import { createLog } from './log.ts';

/** The lines that a program logs, as JSON. */
function logged(write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const log = createLog('debug', { write: (line: string) => void lines.push(JSON.parse(line)) });
  write(log);
  return lines;
}

const ownFrame = expect.stringMatching(/^at .*log\.test\.ts/);

function changedAfterwards(): Error {
  const error = new Error('boom\n    at s3cret');
  const { stack } = error;
  return Object.assign(error, { message: 'other words', stack });
}

describe('a log line', () => {
  test('carries the fields that are named, and no other', () => {
    const [line] = logged((log) => log.info({ groupId: 'g', password: 's3cret' }, 'said'));
    expect(line).toMatchObject({
      level: 'info',
      msg: 'said',
      groupId: 'g',
      password: '[redacted]',
    });
  });

  test('tells of our own error its type, code, words, private detail and cause', () => {
    const cause = new TypeError('s3cret');
    const err = new AppError('server.internal', 'Words.', { privateDetail: 'more', cause });
    const [line] = logged((log) => log.error({ err }, 'said'));
    expect(line).toMatchObject({
      err: {
        type: 'AppError',
        code: 'server.internal',
        message: 'Words.',
        detail: 'more',
        stack: expect.arrayContaining([ownFrame]),
        cause: { type: 'TypeError', stack: expect.arrayContaining([ownFrame]) },
      },
    });
    expect(JSON.stringify(line)).not.toContain('s3cret');
  });

  test('tells of a refusal, and of what it comes from, no stack, but of what made this program fail', () => {
    const refused = (code: 'certificate.no_names' | 'server.unavailable') =>
      logged((log) =>
        log.info({ err: new AppError(code, 'Words.', { cause: new Error('w') }) }, 'said'),
      );
    expect(JSON.stringify(refused('certificate.no_names'))).not.toContain('stack');
    expect(refused('server.unavailable')).toMatchObject([
      { err: { cause: { stack: expect.arrayContaining([ownFrame]) } } },
    ]);
  });

  test.each([
    ['that looks like frames', new Error('boom\n    at s3cret (s3cret.ts:1:1)\n    at s3cret')],
    ['that is changed after the stack was written', changedAfterwards()],
    ['of one line', new Error('s3cret')],
  ])('leaves out a foreign error’s message %s', (_, err) => {
    const [line] = logged((log) => log.warn({ err }, 'said'));
    expect(line).toMatchObject({ err: { type: 'Error' } });
    expect(JSON.stringify(line)).not.toContain('s3cret');
  });

  test('keeps the frames of a foreign error whose message is left out', () => {
    const [line] = logged((log) => log.warn({ err: new Error('boom\n    at s3cret') }, 'said'));
    expect(line).toMatchObject({ err: { stack: expect.arrayContaining([ownFrame]) } });
  });
});
