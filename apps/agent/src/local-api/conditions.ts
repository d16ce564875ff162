import { z } from 'zod';
import { expiringFromMs, type Validity } from '../state/client-certificate.ts';
import type { Health } from './health.ts';

/** What is to be told apart of an agent that is not quite well; the agent serves all the same, or `status` says that it does not. */
export const conditionCode = z.enum([
  'stale',
  'values_expired',
  'control_plane_unreachable',
  'control_plane_refuses',
  'control_plane_distrusted',
  'identity_expiring',
  'identity_expired',
  'provider_failing',
  'disk_failing',
  'files_refused',
  'resource_short',
  'events_dropped',
  'import_expired',
  'import_refused',
]);
export type ConditionCode = z.infer<typeof conditionCode>;

export const condition = z.object({ code: conditionCode, detail: z.string() });
export type Condition = z.infer<typeof condition>;

const CONTACT: Record<string, ConditionCode> = {
  unreachable: 'control_plane_unreachable',
  refused: 'control_plane_refuses',
  distrusted: 'control_plane_distrusted',
};

/** Everything that is not as it should be; nothing of a healthy agent. */
export function conditionsOf(
  health: Omit<Health, 'conditions'>,
  identity: Validity | undefined,
  nowMs: number,
): Condition[] {
  const { controlPlane, durable, fileProblems, providers, resources, events, imported } = health;
  const contact = CONTACT[controlPlane.state];
  const found: (Condition | undefined)[] = [
    health.staleSince === null
      ? undefined
      : { code: 'stale', detail: `not confirmed since ${health.staleSince}` },
    health.withheld === 0
      ? undefined
      : { code: 'values_expired', detail: `${health.withheld} withheld` },
    contact && { code: contact, detail: controlPlane.lastError?.code ?? controlPlane.state },
    identity && expiryOf(identity, nowMs),
    ...providers.map(({ provider, failing }): Condition | undefined =>
      failing === null
        ? undefined
        : { code: 'provider_failing', detail: `${provider}: ${failing.code}` },
    ),
    durable.error === null ? undefined : { code: 'disk_failing', detail: durable.error },
    fileProblems.length === 0
      ? undefined
      : { code: 'files_refused', detail: `${fileProblems.length} of the files that are set` },
    ...resources.alarms.map((alarm): Condition => ({ code: 'resource_short', detail: alarm })),
    events.untold === 0
      ? undefined
      : { code: 'events_dropped', detail: `${events.untold} audit events` },
    importFaultOf(imported, nowMs),
  ];
  return found.filter((each) => each !== undefined);
}

function importFaultOf(
  { error, expiresAt }: Health['imported'],
  nowMs: number,
): Condition | undefined {
  if (error === null) return undefined;
  const isOver = expiresAt !== null && Date.parse(expiresAt) <= nowMs;
  return error === 'bundle.expired' && isOver
    ? { code: 'import_expired', detail: `expired at ${expiresAt}` }
    : { code: 'import_refused', detail: error };
}

function expiryOf(identity: Validity, nowMs: number): Condition | undefined {
  if (nowMs < expiringFromMs(identity)) return undefined;
  const { notAfterMs } = identity;
  const code = nowMs < notAfterMs ? 'identity_expiring' : 'identity_expired';
  return { code, detail: new Date(notAfterMs).toISOString() };
}
