import type { IncomingMessage, ServerResponse } from 'node:http';
import { resourceName } from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import type { Agent } from '../agent.ts';
import type { CachedEntry } from '../cache/value-cache.ts';
import type { RepeatedActs } from '../events/repeated-acts.ts';
import { keyAndChain } from '../files/certificate-value.ts';
import type { Peer } from '../host/libc.ts';
import type { Allowed } from '../local-api-settings.ts';
import { ENROL_ANEW } from '../state/revocation.ts';
import type { EntryKind } from '../sync/open-bundle.ts';
import { applicationAt } from './application-at.ts';
import { jsonAround } from './json-bytes.ts';
import type { Rights } from './rights.ts';
import { fieldOf, type SecretQuery } from './secret-query.ts';
import type { SharedBodies } from './shared-bodies.ts';

/** How the values of one kind are called and sent. */
type Collection = {
  kind: EntryKind;
  /** Where the names that may be read are listed. */
  list: keyof Allowed;
  notFound: 'secret.not_found' | 'plugin.not_found' | 'certificate.not_found';
  /** By default JSON. */
  contentType?: string;
  /** A reply's body; it copies the value, which is zeroed afterwards. */
  render: (entry: CachedEntry, revision: number, value: Buffer, asked: SecretQuery) => Buffer;
};

export const secrets: Collection = {
  kind: 'secret',
  list: 'secrets',
  notFound: 'secret.not_found',
  render: ({ name, version }, revision, value, { field }) => {
    const about = `"name":"${name}","version":${version},"revision":${revision}`;
    if (field === undefined) return jsonAround(`{${about},"value":"`, value, '"}');
    const member = fieldOf(value, field);
    const body = jsonAround(`{${about},"field":${JSON.stringify(field)},"value":"`, member, '"}');
    member.fill(0);
    return body;
  },
};

export const configs: Collection = {
  kind: 'plugin',
  list: 'configs',
  notFound: 'plugin.not_found',
  render: (_entry, _revision, value) => Buffer.from(value),
};

export const certificates: Collection = {
  kind: 'certificate',
  list: 'certificates',
  notFound: 'certificate.not_found',
  // The value is JSON itself: `{"chain":…,"key":…}`.
  render: ({ name, version }, revision, value) =>
    Buffer.concat([
      Buffer.from(`{"name":"${name}","version":${version},"revision":${revision},`),
      value.subarray(1),
    ]),
};

/** What servers read from a file: the key, then the chain. */
export const certificatesInPem: Collection = {
  ...certificates,
  contentType: 'application/x-pem-file',
  render: (_entry, _revision, value) => keyAndChain(value),
};

/** Of RFC 7234, section 5.5.1. */
export const STALE = '110 - "Response is Stale"';

/** What is asked for: one name of a kind. */
export type Asked = { collection: Collection; name: string; query?: SecretQuery };

/** Whom a program asks, and what it may read. */
export type Reader = { agent: Agent; rights: Rights };

/**
 * `{"revision":…,"complete":…,"items":[{"name":…,"version":…}]}` of everything of a kind that may be read, without
 * values. Not complete: what may not be kept on disk is unknown until the control plane is reached.
 */
export function sendList(
  { agent, rights }: Reader,
  { kind }: Collection,
  response: ServerResponse,
): void {
  const { revision, complete } = heldBy(agent);
  const entries = agent.cache.list(kind);
  if (kind === 'secret') entries.push(...agent.cache.list('reference'));
  const items = entries
    .filter(({ name }) => rights.allows(kind, name))
    .map(({ name, version }) => ({ name, version }));
  const body = Buffer.from(JSON.stringify({ revision, complete, items }));
  response.writeHead(200, { ...replyHeaders(agent), 'content-length': body.byteLength }).end(body);
}

/**
 * One request of a program, and the id by which it is found again; `named` is the program's own. `peer` is the program,
 * where that is known.
 */
export type Exchange = {
  request: IncomingMessage;
  response: ServerResponse;
  requestId: string;
  named: string | undefined;
  peer: Peer | undefined;
};

/** A program that reads values: what was opened for others like it, and where its reads are recorded. */
export type ValueReader = Reader & { bodies: SharedBodies; acts: RepeatedActs; place: string };

/** One value; 304 when the caller has it. Returns what releases its plaintext, to be called once the reply is gone. */
export function sendValue(
  { agent, rights, bodies, ...audit }: ValueReader,
  { collection, name, query = {} }: Asked,
  { request, response, requestId, named, peer }: Exchange,
): (() => void) | undefined {
  const held = heldBy(agent);
  // Before the look-up: a refusal does not tell whether the value is there.
  if (!rights.allows(collection.kind, name)) throw notAllowed(collection);
  const entry = agent.cache.find(collection.kind, name);
  if (entry === undefined) {
    const other = held.complete ? anotherKind({ agent, rights }, collection, name) : undefined;
    throw other ?? missing(collection, name, held.complete);
  }
  assertFresh(agent, entry);
  assertVersion(query, entry.version);
  const headers = {
    ...replyHeaders(agent),
    ...representation(collection, entry),
    'x-request-id': requestId,
  };
  if (matches(request.headers['if-none-match'], headers.etag)) {
    response.writeHead(304, headers).end();
    return undefined;
  }
  const key = `${headers.etag} ${held.revision} ${collection.kind} ${name} ${query.field ?? ''}`;
  const { bytes, release } = bodies.lend(key, () => {
    const value = agent.cache.open(entry);
    try {
      return collection.render(entry, held.revision, value, query);
    } finally {
      value.fill(0);
    }
  });
  const length = { 'content-length': bytes.byteLength };
  response.writeHead(200, Object.assign(headers, length)).end(bytes);
  noteRead(audit, { kind: collection.kind, name, version: entry.version }, { named, peer });
  return release;
}

/** Records that a value was read. */
export function noteRead(
  { acts, place }: Pick<ValueReader, 'acts' | 'place'>,
  { kind, name, version }: CachedEntry,
  { named, peer }: Pick<Exchange, 'named' | 'peer'>,
): void {
  const act = { action: 'value:read', subject: `${kind}:${name}`, outcome: 'done' } as const;
  acts.note({ ...act, application: applicationAt(place, peer), code: null, version }, named);
}

/** Each form of a value has an etag of its own (RFC 9110, section 8.8.3). */
function representation({ kind, contentType }: Collection, { etag }: { etag: string }) {
  const vary = kind === 'certificate' ? { vary: 'accept' } : {};
  return contentType === undefined
    ? { ...vary, etag }
    : { ...vary, 'content-type': contentType, etag: etag.replace(/"$/, '-pem"') };
}

/** @throws AgentError `agent.revoked` */
export function refuseWhenRevoked({ isRevoked }: Pick<Agent, 'isRevoked'>): void {
  if (!isRevoked) return;
  throw new AgentError('agent.revoked', 'this agent was revoked and holds nothing any more', {
    advice: ENROL_ANEW,
  });
}

export function heldBy(agent: Agent): { revision: number; complete: boolean } {
  refuseWhenRevoked(agent);
  const held = agent.cache.revision();
  if (held !== undefined) return held;
  throw new AgentError('agent.not_ready', 'the agent has received nothing yet', {
    advice: 'wait, or see why with: sallyport-agent status',
  });
}

export function notAllowed({ kind, list }: Collection): AgentError {
  return new AgentError(
    'request.not_allowed',
    `programs may not read a ${kind} of this name here`,
    { advice: `ask at another socket, or add it to allow.${list} of this one` },
  );
}

/** @throws AgentError `secret.expired` */
function assertFresh({ contact, freshness }: Agent, { kind, name }: CachedEntry): void {
  if (kind !== 'secret' || !freshness.withholds(name, contact)) return;
  throw new AgentError(
    'secret.expired',
    'the control plane has not confirmed the secret within the maxStaleSeconds that it has here',
    { advice: 'wait until it is reached, or see why not with: sallyport-agent status' },
  );
}

/** @throws AgentError `secret.version_not_found` */
export function assertVersion({ version }: SecretQuery, held: number): void {
  if (version === undefined || version === held) return;
  throw new AgentError(
    'secret.version_not_found',
    `the agent holds version ${held} of this secret, and no other`,
    { advice: 'ask for that one, or leave version out' },
  );
}

/** For a secret that is not there, where something else that may be read here has its name. */
function anotherKind(
  { agent, rights }: Reader,
  { kind: asked, notFound }: Collection,
  name: string,
): AgentError | undefined {
  if (asked !== 'secret') return undefined;
  const has = ({ kind }: Collection) =>
    rights.allows(kind, name) && agent.cache.find(kind, name) !== undefined;
  if (has(configs))
    return new AgentError(
      notFound,
      'the group is delivered no secret of this name, but a configuration',
      {
        advice: `read it at /v1/config/${name} of the socket, or in a template: {{ "${name}" | config | json }}`,
      },
    );
  if (has(certificates))
    return new AgentError(
      notFound,
      'the group is delivered no secret of this name, but a certificate',
      {
        advice: `read it with: sallyport-agent get --certificate ${name}`,
      },
    );
  return undefined;
}

function missing({ kind, notFound }: Collection, name: string, complete: boolean): AgentError {
  if (!resourceName.safeParse(name).success)
    return new AgentError('request.invalid', 'the path does not hold a valid name');
  if (complete)
    // What is lent out is in no bundle: whether it is there, the agent cannot know.
    return new AgentError(notFound, `the group is delivered no ${kind} of this name`, {
      advice: `see what there is with: sallyport-agent list${kind === 'secret' ? ', or, if it is lent out, take it with: sallyport-agent lease take' : ''}`,
    });
  return new AgentError(
    'agent.not_ready',
    `${kind}s that may not be kept on disk are unknown until the control plane is reached`,
    {
      advice: 'wait, or see why with: sallyport-agent status',
    },
  );
}

/** Age and Warning 110 are those of RFC 9111, section 5.1, and RFC 7234, section 5.5.1. */
export function replyHeaders({ contact }: Agent): Record<string, string | number> {
  const headers: Record<string, string | number> = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    age: contact.ageSeconds(),
  };
  if (contact.staleSinceMs() !== undefined) headers['warning'] = STALE;
  return headers;
}

export function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? [];
  return tags.includes(etag) || tags.includes('*');
}
