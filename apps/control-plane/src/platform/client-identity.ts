import { z } from 'zod';

/** Which name of a client certificate from the organisation's own CA tells whose it is. */
export const clientIdentity = z.enum(['uri', 'dns', 'ip', 'key']);
export type ClientIdentity = z.infer<typeof clientIdentity>;
