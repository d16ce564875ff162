import { z } from 'zod';

/** One thing wrong with a request. */
const problemIssue = z.strictObject({
  field: z.string().describe('Where it is: `body.value`, `query.limit`'),
  message: z.string().describe('What is expected, never the value'),
});

export const problem = z
  .object({
    type: z.string().describe('`urn:sallyport:problem:` and the code'),
    title: z.string().describe('What the status is called in HTTP'),
    status: z.int().describe('That of the reply'),
    code: z.string().describe('What a program looks at: it is for ever'),
    detail: z.string().describe('A sentence for people, with the way out'),
    requestId: z.string().describe('Finds the request in the log and in the audit'),
    issues: z.array(problemIssue).optional().describe('What is wrong with the request, each'),
  })
  .describe('The body of every error reply, `application/problem+json` (RFC 9457)');

export type Problem = z.infer<typeof problem>;
export type ProblemIssue = z.infer<typeof problemIssue>;
