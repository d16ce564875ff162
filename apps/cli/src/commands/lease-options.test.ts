import { describe, expect, test } from '@jest/globals';
import { leaseIn, leasePatchIn } from './lease-options.ts';

const window = (text: string) => leaseIn({ lease: 60, leaseWindow: [text] }).lease?.windows?.[0];

describe('how a secret is lent out, as it is typed', () => {
  test('says of its restrictions what is given, and nothing of the others', () => {
    expect(leaseIn({ lease: 60, leaseUses: 1 })).toEqual({ lease: { ttlSeconds: 60, maxUses: 1 } });
    expect(leaseIn({ lease: 60, leaseMax: 300 })).toEqual({
      lease: { ttlSeconds: 60, maxTtlSeconds: 300 },
    });
  });

  test('takes a restriction away when that is said', () => {
    expect(leaseIn({ lease: 60, leaseUses: null, leaseWindow: ['always'] })).toEqual({
      lease: { ttlSeconds: 60, maxUses: null, windows: [] },
    });
  });

  test('is left as it is, or taken away', () => {
    expect(leaseIn({})).toEqual({});
    expect(leaseIn({ lease: false })).toEqual({ lease: null });
  });

  test('has windows of single days, of ranges, and of ranges over the weekend', () => {
    expect(window('mon-wed,sun 08:00-18:00 Europe/Berlin')).toEqual({
      days: ['mon', 'tue', 'wed', 'sun'],
      from: '08:00',
      until: '18:00',
      timeZone: 'Europe/Berlin',
    });
    expect(window('sat-mon 00:00-24:00')).toMatchObject({
      days: ['sat', 'sun', 'mon'],
      timeZone: 'UTC',
    });
  });

  test('is refused windows beside always', () => {
    expect(() => leaseIn({ lease: 60, leaseWindow: ['always', 'mon 08:00-18:00'] })).toThrow(
      /--lease-window/,
    );
  });

  test.each(['', 'mon', 'mon 8:00-18:00', 'mon-fry 08:00-18:00', 'mon 08:00-18:00 Mars/Olympus'])(
    'is refused the window "%s"',
    (text) => {
      expect(() => window(text)).toThrow(/--lease-window/);
    },
  );

  test('is refused bounds without a lease', () => {
    expect(() => leaseIn({ leaseUses: 1 })).toThrow(/--lease/);
    expect(() => leaseIn({ lease: false, leaseMax: 60 })).toThrow(/--lease/);
  });

  test('is changed in a part where it is lent out already, but not taken away in a part', () => {
    expect(leasePatchIn({ leaseUses: null })).toEqual({ lease: { maxUses: null } });
    expect(leasePatchIn({ lease: false })).toEqual({ lease: null });
    expect(leasePatchIn({})).toEqual({});
    expect(() => leasePatchIn({ lease: false, leaseMax: 60 })).toThrow(/--no-lease/);
  });
});
