import { z } from 'zod';
import { instant, remark, uuid } from '../names.ts';
import { application } from './leases.ts';

/** Every act of an agent that is recorded. */
export const agentAction = z.enum([
  'agent:start',
  'agent:stop',
  'bundle:quarantine',
  'values:wipe',
  'value:read',
  'value:refuse',
  'lease:read',
  'resource:alarm',
  'reference:fail',
  'events:drop',
]);
export type AgentAction = z.infer<typeof agentAction>;

/**
 * One act, or `count` like ones since `at`: by the agent's clock. `subject` is what it was done to, such as
 * `secret:db/password`; `requestId` is that of the program's request, where one was.
 */
export const agentEvent = z.strictObject({
  at: instant,
  action: agentAction,
  subject: remark(160),
  outcome: z.enum(['done', 'refused']),
  requestId: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .nullable(),
  application: application.nullable(),
  count: z.int().min(1),
  code: remark(64).nullable(),
  version: z.int().min(0).nullable(),
});
export type AgentEvent = z.infer<typeof agentEvent>;

/** The most events of one report. */
export const MAX_EVENTS = 200;

/**
 * `POST /agent/v1/events`, oldest first. `batch` is named again when the reply was lost: it is recorded once. `group` is
 * the one that the agent was in when they happened.
 */
export const reportEventsBody = z.strictObject({
  protocol: z.int(),
  batch: uuid,
  group: uuid,
  events: z.array(agentEvent).min(1).max(MAX_EVENTS),
});
export type ReportEventsBody = z.infer<typeof reportEventsBody>;

/** An event of a newer agent, of a kind that is not known here. How many there were is all that is read of it. */
const unknownEvent = z
  .looseObject({
    action: z
      .string()
      .max(64)
      .refine((action) => !agentAction.safeParse(action).success),
    count: z.int().min(1).catch(1),
  })
  .transform(({ count }) => ({ action: 'unknown' as const, count }));

/** The same as the control plane takes it. */
export const reportedEventsBody = reportEventsBody.extend({
  events: z.array(agentEvent.or(unknownEvent)).min(1).max(MAX_EVENTS),
});
export type ReportedEventsBody = z.infer<typeof reportedEventsBody>;
