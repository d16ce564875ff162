import { describe, expect, test } from '@jest/globals';
import type { JsonObject } from '@sallyport/contract';
import { placeholder } from '@sallyport/crypto/masked-fields';
import { mergePatch } from './merge-patch.ts';

const none = new Map();

describe('a merge patch', () => {
  // RFC 7396, appendix A, of those whose target and patch are objects.
  test.each<[JsonObject, JsonObject, JsonObject]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{ a: 'foo' }, { a: { b: { c: null } } }, { a: { b: {} } }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('makes %j and %j into %j', (target, patch, expected) => {
    expect(mergePatch(target, patch, none)).toEqual(expected);
  });

  test('leaves placeholders in the place of what it does not name, and takes one for what is there', () => {
    const target = { auth: { password: placeholder(), user: 'u' } };
    expect(mergePatch(target, { auth: { user: 'v' } }, none)).toEqual({
      auth: { password: placeholder(), user: 'v' },
    });
    expect(mergePatch(target, { auth: { password: placeholder() } }, none)).toEqual(target);
  });

  test('of something inside of an encrypted field changes the field’s value, not its placeholder', () => {
    const values = new Map([['/auth', { user: 'u', password: 'p' }]]);
    const patched = mergePatch({ auth: placeholder() }, { auth: { password: 'q' } }, values);
    expect(patched).toEqual({ auth: { user: 'u', password: 'q' } });
  });
});
