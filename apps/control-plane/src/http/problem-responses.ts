import { problem } from '@sallyport/contract';

/** What every operation may answer besides its own replies. */
export const problemResponses = { '4xx': problem, '5xx': problem } as const;
