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

/** Of a newer agent, which knows more kinds of events than there are here. */
const unknownAction = z
  .string()
  .max(64)
  .refine((action) => !agentAction.safeParse(action).success);

/** An event of such a kind. How many there were is all that is read of it. */
const unknownEvent = z
  .record(z.string(), z.unknown())
  .refine(({ action }) => unknownAction.safeParse(action).success)
  .transform(({ count }) => ({
    action: 'unknown' as const,
    count: agentEvent.shape.count.catch(1).parse(count),
  }));

/** The same as the control plane takes it. */
export const reportedEventsBody = reportEventsBody.extend({
  events: z.array(agentEvent.or(unknownEvent)).min(1).max(MAX_EVENTS),
});
export type ReportedEventsBody = z.infer<typeof reportedEventsBody>;
