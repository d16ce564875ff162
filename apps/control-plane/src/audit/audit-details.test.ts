import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { storedDetails, type AuditDetails } from './audit-details.ts';

/** Details as a caller may hand them over in spite of their type. */
const given = (text: string): AuditDetails => JSON.parse(text);

describe('[A7-16] details of an event', () => {
  test('are left out under a name that is not on the list', () => {
    const details = given(
      '{"version":2,"value":"canary","password":"canary","__proto__":{"name":"canary"},"constructor":"canary"}',
    );
    expect(storedDetails(details)).toEqual({ version: 2 });
    expect(storedDetails({})).toEqual({});
  });

  test('show before and after a change the values of fields on the list, and of others that there are any', () => {
    const stored = storedDetails({
      before: { version: 1, offline: 'deny', value: 'canary', endpoint: 'canary' },
      after: { version: 2, offline: null, value: 'canary', port: 5432, secret: true },
    });
    expect(stored).toEqual({
      before: { version: 1, offline: 'deny', value: '[masked]', endpoint: '[masked]' },
      after: { version: 2, offline: null, value: '[masked]', port: '[masked]', secret: '[masked]' },
    });
  });

  test('drop fields whose name could be a value', () => {
    const before = given('{"a b":1,"9":1,"__proto__":1,"hunter2!":1,"xx":1}');
    const tooLong = { [`x${'y'.repeat(32)}`]: 1 };
    expect(storedDetails({ before: { ...tooLong, ...Object(before) } })).toEqual({
      before: { xx: '[masked]' },
    });
  });

  test('are bounded: texts, lists, the items of lists, and fields of a change', () => {
    const long = 'x'.repeat(10_000);
    const fields = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, 1]));
    const stored = storedDetails({
      name: long,
      roles: Array.from({ length: 100 }, () => long),
      after: fields,
      before: { state: long },
    });
    const cut = `${'x'.repeat(256)}…`;
    expect(stored['name']).toBe(cut);
    expect(stored['roles']).toEqual(Array.from({ length: 64 }, () => cut));
    expect(stored['before']).toEqual({ state: cut });
    expect(Object.keys(stored['after'] ?? {})).toHaveLength(64);
  });

  test('hold nothing that the database or UTF-8 cannot keep, wherever a text is cut', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 600 });
    const broken = fc.array(fc.constantFrom('\0', '\uD800', '\uDC00', '😀', 'x'));
    fc.assert(
      fc.property(
        fc.oneof(
          texts,
          broken.map((parts) => parts.join('')),
        ),
        (text) => {
          const stored = storedDetails({ name: text, roles: [text], after: { state: text } });
          const written = JSON.stringify(stored);
          expect(written).not.toContain(String.raw`\u0000`);
          expect([stored['name'], stored['roles']].flat().every(isKept)).toBe(true);
          expect(JSON.parse(Buffer.from(written).toString())).toEqual(stored);
        },
      ),
    );
    expect(storedDetails({ name: `${'x'.repeat(255)}😀` })).toEqual({
      name: `${'x'.repeat(255)}�…`,
    });
    expect(storedDetails({ uses: Infinity, days: Number.NaN })).toEqual({ uses: null, days: null });
  });
});

function isKept(text: unknown): boolean {
  return typeof text === 'string' && text.isWellFormed() && !text.includes('\0');
}
