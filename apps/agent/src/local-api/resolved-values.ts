import { AgentError } from '../agent-error.ts';
import type { Agent } from '../agent.ts';
import type { HeldEntry } from '../cache/value-cache.ts';
import type { Resolved } from '../references/resolver.ts';
import { applicationAt } from './application-at.ts';
import {
  assertVersion,
  heldBy,
  matches,
  notAllowed,
  noteRead,
  replyHeaders,
  secrets,
  STALE,
  type Asked,
  type Exchange,
  type Reader,
  type ValueReader,
} from './values.ts';

/** The reference that a secret is; undefined for one that is held. */
export function referenceAsked(
  { agent }: Reader,
  { collection, name }: Asked,
): HeldEntry | undefined {
  return collection === secrets ? agent.cache.find('reference', name) : undefined;
}

/**
 * What a reference leads to; 304 when the caller has it. Resolves with what releases its plaintext, to be called once
 * the reply is gone; undefined where none was sent.
 *
 * @throws AgentError as `sendValue` and `HeldReferences.resolve` do
 */
export async function sendResolved(
  { agent, rights, bodies, ...audit }: ValueReader,
  reference: HeldEntry,
  { name, query = {} }: Asked,
  { request, response, requestId, ...asking }: Exchange,
): Promise<(() => void) | undefined> {
  heldBy(agent);
  if (!rights.allows('reference', name)) throw notAllowed(secrets);
  assertVersion(query, reference.version);
  const resolved = await agent.references.resolve(reference).catch((error: unknown) => {
    noteFailure(audit, reference, error, asking);
    throw error;
  });
  // The agent may have been revoked meanwhile, and whoever asked may be gone.
  const { revision } = heldBy(agent);
  if (response.destroyed) return undefined;
  const { etag } = resolved;
  const headers = { ...headersOf(agent, resolved), etag, 'x-request-id': requestId };
  if (matches(request.headers['if-none-match'], etag)) {
    response.writeHead(304, headers).end();
    return undefined;
  }
  const key = `${etag} ${revision} reference ${name} ${query.field ?? ''}`;
  const { bytes, release } = bodies.lend(key, () => {
    const value = resolved.open();
    try {
      return secrets.render(reference, revision, value, query);
    } finally {
      value.fill(0);
    }
  });
  response.writeHead(200, { ...headers, 'content-length': bytes.byteLength }).end(bytes);
  noteRead(audit, { ...reference, kind: 'secret' }, asking);
  return release;
}

/** A value is as old as its provider's answer; whether it is the one to ask depends on the control plane, too. */
function headersOf(
  agent: Agent,
  { ageSeconds, isStale }: Resolved,
): Record<string, string | number> {
  const headers = { ...replyHeaders(agent), age: ageSeconds };
  return isStale ? { ...headers, warning: STALE } : headers;
}

/** Records that a reference led nowhere. */
function noteFailure(
  { acts, place }: Pick<ValueReader, 'acts' | 'place'>,
  { name, version }: HeldEntry,
  error: unknown,
  { named, peer }: Pick<Exchange, 'named' | 'peer'>,
): void {
  if (!(error instanceof AgentError)) return;
  const act = { action: 'reference:fail', subject: `secret:${name}`, outcome: 'refused' } as const;
  acts.note({ ...act, application: applicationAt(place, peer), code: error.code, version }, named);
}
