import { z } from 'zod';
import { instant, resourceName, uuid } from '../names.ts';
import { leaseChange, leasePatch, leasePolicy } from './lease-policy.ts';

export const MAX_SECRET_BYTES = 64 * 1024;

/** Whether an agent may keep the value in its durable bundle and serve it after an offline restart. */
export const offlinePolicy = z.enum(['allow', 'deny']);

/** A secret's value: text of at most 64 KiB in UTF-8. Binary values are the writer's to encode. */
export const secretValue = z
  .string()
  .min(1)
  // Half of a surrogate pair has no UTF-8: it would be stored as another character, and the value with it.
  .refine((value) => value.isWellFormed(), 'use text that can be written in UTF-8')
  .refine(
    (value) => new TextEncoder().encode(value).byteLength <= MAX_SECRET_BYTES,
    'use at most 65536 bytes of UTF-8',
  );

/**
 * Where a secret's value is, for agents to find: the scheme says in what, the rest what it is called there. Only the
 * shape is looked at, so that what no agent can read is refused where it is typed; the agent is the judge of the rest.
 */
export const secretReference = z
  .string()
  .max(2048)
  .regex(
    /^(?=[\x21-\x7e]+$)(?:vault:\/\/[^/?#]+\/[^?#]+|aws-sm:\/\/[^?#]+|azure-kv:\/\/[^/?#]+\/[^/?#]+|k8s:\/\/[^/?#]+\/[^/?#]+\/[^/?#]+|file:\/\/\/[^?#]+|(?:env|exec):\/\/[^/?#]+)(?:[?#].*)?$/,
    'use vault://<mount>/<path>, aws-sm://<name>, azure-kv://<vault>/<secret>, k8s://<namespace>/<secret>/<key>, file:///<path>, env://<NAME> or exec://<command>, in printable ASCII without spaces',
  );

/**
 * `PUT /api/v1/groups/:group/secrets/:secret`: creates it, or adds a version, with a value of its own or a reference
 * to where it is. What is absent of the rest stays as it was; `lease: null` delivers it in the bundle again.
 */
export const putSecretBody = z
  .strictObject({
    value: secretValue.optional(),
    reference: secretReference.optional(),
    offline: offlinePolicy.optional(),
    lease: leaseChange.nullable().optional(),
  })
  .refine(({ value, reference }) => (value === undefined) !== (reference === undefined), {
    path: ['value'],
    message: 'give either a value or a reference',
  });
export type PutSecretBody = z.infer<typeof putSecretBody>;

/**
 * `PATCH /api/v1/groups/:group/secrets/:secret`: a JSON Merge Patch (RFC 7396) of how agents are given it. Value and
 * version stay as they are, and what is absent does; `lease: null` delivers it in the bundle again.
 */
export const patchSecretBody = z
  .strictObject({ offline: offlinePolicy.optional(), lease: leasePatch.nullable().optional() })
  .refine((body) => Object.keys(body).length > 0, 'name what is to change');
export type PatchSecretBody = z.infer<typeof patchSecretBody>;

/** `stored`: the control plane has the value; `reference`: agents find it where it says. */
export const secretKind = z.enum(['stored', 'reference']);

/** A secret without its value. `lease` says how it is lent out where its delivery is `lease`. */
export const secret = z.strictObject({
  id: uuid,
  name: resourceName,
  kind: secretKind,
  delivery: z.enum(['bundle', 'lease']),
  offline: offlinePolicy,
  lease: leasePolicy.nullable(),
  version: z.int(),
  createdAt: instant,
  updatedAt: instant,
});
export type SecretMetadata = z.infer<typeof secret>;

/** What a version is; null where it was replaced before the control plane kept that. */
const versionKind = secretKind.nullable();

export const secretVersion = z.strictObject({
  version: z.int(),
  kind: versionKind,
  createdAt: instant,
  createdBy: z.string(),
});
export type SecretVersion = z.infer<typeof secretVersion>;

/** `POST /api/v1/groups/:group/secrets/:secret/reveal`; the current version when none is named. */
export const revealSecretBody = z.strictObject({ version: z.int32().min(1).optional() });

/** `POST /api/v1/groups/:group/secrets/:secret/restore`: the version whose value the next one is to have. */
export const restoreSecretBody = z.strictObject({ version: z.int32().min(1) });

/** The only reply of the operator API that carries a secret's value: of a `reference`, where that is. */
export const revealedSecret = z.strictObject({
  name: resourceName,
  version: z.int(),
  kind: versionKind,
  value: z.string(),
});
export type RevealedSecret = z.infer<typeof revealedSecret>;
