import { z } from 'zod';
import { groupName, instant, uuid } from '../names.ts';

/** `POST /api/v1/groups`. */
export const createGroupBody = z.strictObject({ name: groupName });

/** `revision` grows by one with every change to what the group's agents receive. */
export const group = z.strictObject({
  id: uuid,
  name: groupName,
  revision: z.int(),
  createdAt: instant,
});
export type Group = z.infer<typeof group>;
