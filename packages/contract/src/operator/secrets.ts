import { z } from 'zod';
import { instant, resourceName, uuid } from '../names.ts';
import { leaseChange, leasePatch, leasePolicy } from './lease-policy.ts';

export const MAX_SECRET_BYTES = 64 * 1024;

export const offlinePolicy = z
  .enum(['allow', 'deny'])
  .describe(
    'Whether agents may keep it on disk, sealed, and serve it after a restart without the control plane',
  );

/** A secret's value. */
export const secretValue = z
  .string()
  .min(1)
  // Half of a surrogate pair has no UTF-8: it would be stored as another character, and the value with it.
  .refine((value) => value.isWellFormed(), 'use text that can be written in UTF-8')
  .refine(
    (value) => new TextEncoder().encode(value).byteLength <= MAX_SECRET_BYTES,
    'use at most 65536 bytes of UTF-8',
  )
  .describe('Text of at most 64 KiB in UTF-8; what is binary has to be encoded');

/** What reads like a reference, whether or not an agent could follow it. */
export const referenceShape = z
  .string()
  .max(2048)
  .regex(
    /^(?=[\x21-\x7e]+$)(?:vault:\/\/[^/?#]+\/[^?#]+|aws-sm:\/\/[^?#]+|azure-kv:\/\/[^/?#]+\/[^/?#]+|k8s:\/\/[^/?#]+\/[^/?#]+\/[^/?#]+|file:\/\/\/[^?#]+|(?:env|exec):\/\/[^/?#]+)(?:[?#].*)?$/,
    {
      error:
        'use vault://<mount>/<path>, aws-sm://<name>, azure-kv://<vault>/<secret>, k8s://<namespace>/<secret>/<key>, file:///<path>, env://<NAME> or exec://<command>, in printable ASCII without spaces',
      abort: true,
    },
  );

/**
 * Where a secret's value is, for agents to find: the scheme says in what, the rest what it is called there. Only the
 * shape is looked at, so that what no agent can read is refused where it is typed; the agent is the judge of the rest.
 */
export const secretReference = referenceShape
  .refine(namesSomething, 'use a path without empty parts, `.` and `..`, and write % alone as %25')
  .describe(
    'Where the value is, for agents to find: `vault://mount/path`, `aws-sm://name`, `file:///path` and others (`docs/references.md`). Only its form is looked at here',
  );

/** Whether each part of a reference's path does, however it is encoded. */
function namesSomething(reference: string): boolean {
  const [, path = '', rest = ''] = /^[a-z0-9-]+:\/\/\/?([^?#]*)(.*)$/.exec(reference) ?? [];
  try {
    decodeURIComponent(rest);
    return decodeURIComponent(path)
      .split('/')
      .every((name) => !['', '.', '..'].includes(name) && !/\p{Cc}/u.test(name));
  } catch {
    return false;
  }
}

const lendOut = 'Null: it is delivered again, to all agents; absent: as it was';

/** `PUT /api/v1/groups/:group/secrets/:secret`. */
export const putSecretBody = z
  .strictObject({
    value: secretValue.optional(),
    reference: secretReference.optional(),
    offline: offlinePolicy
      .optional()
      .describe('Absent: as it was; `deny` for one that is new or is being lent out'),
    lease: leaseChange.nullable().optional().describe(lendOut),
  })
  .refine(({ value, reference }) => (value === undefined) !== (reference === undefined), {
    path: ['value'],
    message: 'give either a value or a reference',
  })
  .describe('Either a `value` or a `reference`, and how agents are given it.');
export type PutSecretBody = z.infer<typeof putSecretBody>;

/** `PATCH /api/v1/groups/:group/secrets/:secret`. */
export const patchSecretBody = z
  .strictObject({
    offline: offlinePolicy
      .optional()
      .describe('Absent: as it was; `deny` for one that is being lent out'),
    lease: leasePatch.nullable().optional().describe(lendOut),
  })
  .refine((body) => Object.keys(body).length > 0, 'name what is to change')
  .describe('A JSON Merge Patch (RFC 7396) of how agents are given a secret.');
export type PatchSecretBody = z.infer<typeof patchSecretBody>;

export const secretKind = z
  .enum(['stored', 'reference'])
  .describe('`stored`: the control plane has the value; `reference`: agents find it where it says');

export const secret = z
  .strictObject({
    id: uuid,
    name: resourceName,
    kind: secretKind,
    delivery: z
      .enum(['bundle', 'lease'])
      .describe('`bundle`: every agent of the group has it; `lease`: it is lent out'),
    offline: offlinePolicy,
    lease: leasePolicy.nullable().describe('How it is lent out; null where it is not'),
    version: z.int().describe('The newest, from 1 on'),
    createdAt: instant,
    updatedAt: instant.describe('Of its newest version or its settings, whichever changed last'),
  })
  .describe('A secret without its value.');
export type SecretMetadata = z.infer<typeof secret>;

const versionKind = secretKind
  .nullable()
  .describe('What the version is; null where it was replaced before that was kept');

export const secretVersion = z.strictObject({
  version: z.int(),
  kind: versionKind,
  createdAt: instant,
  createdBy: z.string().describe('Name of the operator or API key'),
});
export type SecretVersion = z.infer<typeof secretVersion>;

/** `POST /api/v1/groups/:group/secrets/:secret/reveal`. */
export const revealSecretBody = z.strictObject({
  version: z.int32().min(1).optional().describe('Absent: the newest'),
});

/** `POST /api/v1/groups/:group/secrets/:secret/restore`. */
export const restoreSecretBody = z.strictObject({
  version: z.int32().min(1).describe('The one whose value the next is to have'),
});

export const revealedSecret = z
  .strictObject({
    name: resourceName,
    version: z.int(),
    kind: versionKind,
    value: z.string().describe('Of a `reference`, the reference itself'),
  })
  .describe('The only reply of this API that carries a secret’s value.');
export type RevealedSecret = z.infer<typeof revealedSecret>;
