import { z } from 'zod';

/** What the benchmark asks of one of its client processes. */
export const crowdOrder = z.discriminatedUnion('as', [
  z.object({
    as: z.literal('agents'),
    count: z.int().min(1),
    url: z.url(),
    ca: z.string(),
    token: z.string(),
    namePrefix: z.string(),
  }),
  z.object({ as: z.literal('bare'), count: z.int().min(1), url: z.url(), ca: z.string() }),
]);
export type CrowdOrder = z.infer<typeof crowdOrder>;

/** `arrived`: every client has got the newest change, each at a time of the machine's monotonic clock. */
export const crowdNews = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('arrived'), atMs: z.array(z.number()) }),
  z.object({ kind: z.literal('last-reply'), body: z.string() }),
]);
export type CrowdNews = z.infer<typeof crowdNews>;
