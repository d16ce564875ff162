import { z } from 'zod';

/** One thing wrong with a request: where (`body.value`, `query.limit`) and what is expected, never the value. */
const problemIssue = z.strictObject({ field: z.string(), message: z.string() });

/** The body of every error reply, `application/problem+json` (RFC 9457). */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  requestId: z.string(),
  issues: z.array(problemIssue).optional(),
});

export type Problem = z.infer<typeof problem>;
export type ProblemIssue = z.infer<typeof problemIssue>;
