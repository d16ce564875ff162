import { describe, expect, test } from '@jest/globals';
import { conditionsOf } from './conditions.ts';
import type { Health } from './health.ts';

const NOW = Date.UTC(2030, 0, 1);
const at = (hours: number) => new Date(NOW + hours * 3_600_000).toISOString();

const healthy: Omit<Health, 'conditions'> = {
  status: 'ready',
  version: '1',
  agent: { id: 'a', name: 'a', group: 'g' },
  revision: 1,
  epoch: 1,
  entries: 1,
  withheld: 0,
  staleSince: null,
  offline: false,
  controlPlane: {
    url: 'https://cp',
    peer: null,
    state: 'connected',
    since: at(0),
    lastError: null,
  },
  tlsWeak: false,
  authentication: { method: 'certificate', expiresAt: at(12) },
  fileProblems: [],
  durable: { revision: 1, bytes: 1, error: null },
  files: [],
  providers: [{ provider: 'vault', calls: 1, failures: 0, cacheHits: 0, failing: null }],
  imported: { revision: 1, issuedAt: at(-24), expiresAt: at(24), error: null },
  clockOffsetMilliseconds: 0,
  peerCredentials: true,
  memory: { locked: true, dumpable: false, reason: null },
  resources: { memoryBytes: 1, cpuPercent: 1, freeDiskBytes: 1, alarms: [] },
  events: { waiting: 0, dropped: 2, untold: 0 },
};
const codes = (change: Partial<Health>, identity = goodFor(24, 12)) =>
  conditionsOf({ ...healthy, ...change }, identity, NOW).map(({ code }) => code);
/** Of a certificate that is good for so many hours, of which so many are left. */
function goodFor(hours: number, left: number) {
  const notAfterMs = NOW + left * 3_600_000;
  return { notBeforeMs: notAfterMs - hours * 3_600_000, notAfterMs };
}
const contact = (state: string) => ({ controlPlane: { ...healthy.controlPlane, state } });
const failing = { code: 'reference.unreachable', message: '', since: at(0) };

describe('[AT-46] an agent says apart', () => {
  test('that it is healthy', () => {
    expect(codes({})).toEqual([]);
  });

  test.each<[string, Partial<Health>, string]>([
    ['stale values', { staleSince: at(-1) }, 'stale'],
    ['secrets that are too old to be served', { withheld: 1 }, 'values_expired'],
    ['a control plane out of reach', contact('unreachable'), 'control_plane_unreachable'],
    ['one that refuses it', contact('refused'), 'control_plane_refuses'],
    ['one that sends what it does not trust', contact('distrusted'), 'control_plane_distrusted'],
    [
      'a provider that fails',
      { providers: [{ provider: 'vault', calls: 1, failures: 1, cacheHits: 0, failing }] },
      'provider_failing',
    ],
    ['a disk that fails', { durable: { revision: 1, bytes: 1, error: 'x' } }, 'disk_failing'],
    ['files that are not taken', { fileProblems: ['a file'] }, 'files_refused'],
    [
      'a host that is short of something',
      { resources: { ...healthy.resources, alarms: ['disk'] } },
      'resource_short',
    ],
    ['events that are lost', { events: { waiting: 1, dropped: 2, untold: 2 } }, 'events_dropped'],
    [
      'an imported bundle whose time is over',
      { imported: { ...healthy.imported, expiresAt: at(0), error: 'bundle.expired' } },
      'import_expired',
    ],
    [
      'one that was brought too late',
      { imported: { ...healthy.imported, error: 'bundle.expired' } },
      'import_refused',
    ],
  ])('%s', (_, change, code) => {
    expect(codes(change)).toEqual([code]);
  });

  test.each([
    ['eight hours', 8, 2],
    ['a day', 24, 6],
    ['90 days', 90 * 24, 22.5 * 24],
    ['two years', 2 * 365 * 24, 30 * 24],
  ])(
    'an identity that is good for %s from its last quarter on, by 30 days at most',
    (_, hours, notice) => {
      expect(codes({}, goodFor(hours, notice + 0.1))).toEqual([]);
      expect(codes({}, goodFor(hours, notice))).toEqual(['identity_expiring']);
      expect(codes({}, goodFor(hours, 0.1))).toEqual(['identity_expiring']);
      expect(codes({}, goodFor(hours, 0))).toEqual(['identity_expired']);
    },
  );

  test('nothing of an identity without an end', () => {
    expect(conditionsOf(healthy, undefined, NOW)).toEqual([]);
  });
});
