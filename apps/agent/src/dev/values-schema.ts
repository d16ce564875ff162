import {
  exactJsonObject,
  leasePolicy,
  resourceName,
  secretReference,
  secretValue,
  type LeasePolicy,
} from '@sallyport/contract';
import { z } from 'zod';

type SecretContent =
  | { kind: 'secret'; value: string; lease?: LeasePolicy | undefined }
  | { kind: 'reference'; value: string };

const { ttlSeconds, maxTtlSeconds, maxUses } = leasePolicy.shape;
const always: LeasePolicy['windows'] = [];

/** As the control plane names it, and with what `sallyport secret set --lease` leaves out; granted at any hour. */
const lease = z
  .strictObject({
    ttlSeconds,
    maxTtlSeconds: maxTtlSeconds.optional(),
    maxUses: maxUses.default(null),
  })
  .transform((policy) => ({
    ...policy,
    maxTtlSeconds: policy.maxTtlSeconds ?? policy.ttlSeconds,
    windows: always,
  }))
  .pipe(leasePolicy)
  .refine((policy) => policy.ttlSeconds <= policy.maxTtlSeconds, {
    path: ['maxTtlSeconds'],
    message: 'may not be less than ttlSeconds',
  });

const secret = z.preprocess(
  (given) => (typeof given === 'object' && given !== null ? given : { value: given }),
  z
    .strictObject({
      value: secretValue.optional(),
      lease: lease.optional(),
      reference: secretReference.optional(),
    })
    .transform((given, context): SecretContent => {
      if (given.value !== undefined && given.reference === undefined)
        return { kind: 'secret', value: given.value, lease: given.lease };
      if (given.reference !== undefined && given.value === undefined && given.lease === undefined)
        return { kind: 'reference', value: given.reference };
      // An unknown key, which is told, may be one of these mistyped.
      if (context.issues.length === 0)
        context.addIssue('give either a value, with or without a lease, or a reference');
      return z.NEVER;
    }),
);

const file = z.string().min(1);
const certificate = z.strictObject({ chainFile: file, keyFile: file });

/** Entries by their names. A section whose lines are all commented out is empty. */
function section<Entry extends z.ZodType>(entry: Entry) {
  return z
    .record(resourceName, entry)
    .nullish()
    .transform((entries) => Object.entries(entries ?? {}));
}

/** What a values file may say. */
export const valuesSchema = z.strictObject({
  secrets: section(secret),
  config: section(exactJsonObject),
  certificates: section(certificate),
});
