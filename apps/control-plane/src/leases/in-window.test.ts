import { describe, expect, test } from '@jest/globals';
import type { LeaseWindow } from '@sallyport/contract';
import { isInWindow } from './in-window.ts';

const office: LeaseWindow = {
  days: ['mon', 'fri'],
  from: '08:00',
  until: '17:30',
  timeZone: 'Europe/Berlin',
};
const at = (instant: string, ...windows: LeaseWindow[]) => isInWindow(windows, Date.parse(instant));

describe('[SG-05] leases are granted', () => {
  test('from the first minute of a window to before its end, on the clocks of its time zone', () => {
    // A Monday in winter: Berlin is an hour ahead.
    expect(at('2026-11-30T06:59:59Z', office)).toBe(false);
    expect(at('2026-11-30T07:00:00Z', office)).toBe(true);
    expect(at('2026-11-30T16:29:59Z', office)).toBe(true);
    expect(at('2026-11-30T16:30:00Z', office)).toBe(false);
  });

  test('an hour earlier by UTC in summer', () => {
    expect(at('2026-07-06T06:00:00Z', office)).toBe(true);
    expect(at('2026-07-06T15:30:00Z', office)).toBe(false);
  });

  test('on no other day', () => {
    expect(at('2026-12-01T10:00:00Z', office)).toBe(false);
    expect(at('2026-12-04T10:00:00Z', office)).toBe(true);
  });

  test('on the day that it is there, not here', () => {
    const kiritimati = { ...office, from: '00:00', until: '24:00', timeZone: 'Pacific/Kiritimati' };
    expect(at('2026-11-29T10:30:00Z', kiritimati)).toBe(true);
    expect(at('2026-11-30T10:30:00Z', kiritimati)).toBe(false);
  });

  test('in any of the windows, and always without one', () => {
    const night = { ...office, days: ['tue' as const], from: '00:00', until: '24:00' };
    expect(at('2026-12-01T22:59:00Z', office, night)).toBe(true);
    expect(at('2026-12-01T23:00:00Z', office, night)).toBe(false);
    expect(at('2026-12-01T23:00:00Z')).toBe(true);
  });
});
