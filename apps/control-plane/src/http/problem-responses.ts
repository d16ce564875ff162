import { problem } from '@sallyport/contract';

/** The name is the document's; `problem` itself the agent has in the document of its own API. */
const schema = problem.meta({ id: 'Problem' });
const content = { 'application/problem+json': { schema } } as const;

/** What every operation may answer besides its own replies (RFC 9457). */
export const problemResponses = {
  '4xx': { description: 'Refused: `code` and `detail` say why, and what to do', content },
  '5xx': { description: 'Not done now: try again when Retry-After says so', content },
} as const;
