import { problem, writePlainly } from '@sallyport/contract';
import { z } from 'zod';
import { health } from './health.ts';
import { renewBody, takeBody } from './leases.ts';
import { certificateReply, leaseReply, lentReply, listReply, secretReply } from './replies.ts';

type Schema = z.core.JSONSchema.BaseSchema;

const entry = {
  name: 'As it was asked for, without escapes',
  version: 'Grows by one with each value that was written',
  revision: 'That of the group’s state that this was read from; it only grows',
};

const lease = {
  id: 'What the lease is read, renewed and ended by',
  secret: 'The name of what was lent',
  version: 'Of the value that was lent; it stays the same while the lease lasts',
  expiresAt: 'When it is over, unless it is renewed before',
  lastsUntil: 'How long it can be renewed for; the same as `expiresAt` where it cannot',
  usesLeft: 'How often its value can still be read; null: any number of times',
};

const ttlSeconds =
  'How long it is to last; absent, or more than the secret’s policy has: as that says';

/**
 * The shapes of the local API, by name. What their fields are is said here and not beside them: an agent reads these
 * words when its document is asked for, and else never.
 */
export const shapes = {
  List: described(listReply, {
    revision: entry.revision,
    complete:
      'False after a start without the control plane: what may not be kept on disk is not known yet',
    items: 'What may be read here',
    'items.name': 'What it is asked for by',
    'items.version': entry.version,
  }),
  Secret: described(secretReply, {
    ...entry,
    field: 'As it was asked for; absent where the whole was',
    value: 'Of the secret, or of its field: a string as it is, all else as JSON',
  }),
  Certificate: described(certificateReply, {
    ...entry,
    chain: 'PEM: the certificate, then its intermediates, without the root',
    key: 'PEM: the private key, PKCS#8',
  }),
  Lease: described(leaseReply, lease),
  LentSecret: described(lentReply, { ...lease, value: 'The secret; reading it is one use' }),
  TakeLeaseBody: described(takeBody, { secret: 'A secret that is lent out', ttlSeconds }),
  RenewLeaseBody: described(renewBody, { ttlSeconds }),
  Health: described(health, {
    status:
      '`starting`: nothing was received yet; `ready`; `stale`: what is served was current at `staleSince`; `revoked`: nothing is served any more',
    version: 'Of the agent’s program',
    agent: 'Which agent this is',
    'agent.id': 'As the control plane’s operators name it',
    'agent.name': 'As it was called when it was enrolled',
    'agent.group': 'Whose values it has',
    revision: 'Of what is served; 0 for nothing yet',
    epoch: 'Of the delivery key that it was sealed with; grows with each revocation in the group',
    entries: 'How much is held: secrets, configurations, certificates',
    withheld: 'Secrets among them that are older than `freshness` allows',
    staleSince: 'When the values were last known to be current; null: they are',
    offline:
      'True while this process serves what an earlier one kept on disk, and has not reached the control plane',
    controlPlane: 'The link to it',
    'controlPlane.url': 'Null where the control plane dials',
    'controlPlane.peer': 'Where it last dialled from; null before, and where the agent dials',
    'controlPlane.state': '`connecting`, `connected`, `unreachable`, `refused` or `distrusted`',
    'controlPlane.since': 'Since when that is so',
    'controlPlane.lastError': 'Null while nothing is wrong',
    'controlPlane.lastError.code': 'Stable: what a program looks at',
    'controlPlane.lastError.message': 'What happened',
    'controlPlane.lastError.advice': 'What to do about it',
    'controlPlane.lastError.at': 'When it happened last',
    tlsWeak: 'Whether the newest connection has a weak cipher suite; null before the first',
    authentication: 'How sessions are opened',
    'authentication.method': '`key`, `token` or `certificate`',
    'authentication.expiresAt': 'Of the client certificate; null without one',
    fileProblems: 'What keeps files of keys, CAs and tokens from being taken, in words',
    durable: 'What is on disk for the next start',
    'durable.revision': 'Null for nothing',
    'durable.bytes': 'Its size',
    'durable.error': 'Why it is not the newest; null: it is',
    files: 'Certificates that are written to files',
    'files.path': 'Where',
    'files.certificate': 'Which',
    'files.version': 'Of what the file holds; null before the first',
    'files.error': 'Why it is not the newest; null: it is',
    providers: 'What references were resolved by, since the start',
    'providers.provider': 'As the reference begins: `vault`, `aws-sm`, `file` …',
    'providers.calls': 'How often it was asked',
    'providers.failures': 'How often in vain',
    'providers.cacheHits': 'How often it had not to be asked',
    'providers.failing': 'Null unless it is left alone for a while, because it fails',
    'providers.failing.code': 'Stable: what a program looks at',
    'providers.failing.message': 'What happened',
    'providers.failing.since': 'Since when it is left alone',
    imported: 'The bundle that was carried here last, where there is no network',
    'imported.revision': 'Null for none',
    'imported.issuedAt': 'Null for none',
    'imported.expiresAt': 'Null for none, and once the control plane was reached',
    'imported.error': 'Why the newest was not taken; null: it was',
    clockOffsetMilliseconds:
      'By how much this host’s clock is ahead of the control plane’s; null before that was reached',
    peerCredentials: 'Whether this host tells which program is at the other end of a unix socket',
    memory: 'What protects the values in memory',
    'memory.locked': 'True: their keys get into no swap, core or child',
    'memory.dumpable': 'True: programs of the agent’s user may read all of its memory',
    'memory.reason': 'Why not all of that holds; null: it does',
    resources: 'What the agent takes of its host',
    'resources.memoryBytes': 'Resident; null before it has looked',
    'resources.cpuPercent': 'Of one processor; null before it has looked',
    'resources.freeDiskBytes': 'Where its state is; null before it has looked',
    'resources.alarms': 'What it is short of',
    events: 'Its audit events',
    'events.waiting': 'Batches that the control plane does not have yet',
    'events.dropped': 'Events that found no room, since the start',
    'events.untold': 'Those of them that the control plane was not told of',
    conditions: 'All that is not as it should be; empty for a healthy agent',
    'conditions.code': 'Stable: what a program looks at',
    'conditions.detail': 'What it is about, in words',
  }),
  Problem: described(problem, {}),
} satisfies Record<string, Schema>;

/** `words` are of fields by their path; an array's items have that of the array. */
function described(shape: z.ZodType, words: Record<string, string>): Schema {
  const { $schema: _, ...schema } = z.toJSONSchema(shape, {
    io: 'output',
    override: ({ jsonSchema, zodSchema }) => {
      writePlainly(jsonSchema);
      // A later agent may tell more. Only what is refused is closed.
      if (!isStrict(zodSchema)) delete jsonSchema.additionalProperties;
    },
  });
  for (const [path, description] of Object.entries(words))
    path.split('.').reduce(memberOf, schema).description = description;
  return schema;
}

function isStrict(schema: z.core.$ZodTypes): boolean {
  return schema instanceof z.ZodObject && schema.def.catchall instanceof z.ZodNever;
}

/** Of an object, of what an array holds, or of what may be null. */
function memberOf({ properties, items, anyOf }: Schema, name: string): Schema {
  const field = properties?.[name];
  if (typeof field === 'object') return field;
  const [inner = anyOf?.[0]] = [items].flat();
  if (typeof inner !== 'object') throw new Error(`the local API has no field ${name} here`);
  return memberOf(inner, name);
}
