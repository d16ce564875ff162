import { X509Certificate } from 'node:crypto';
import type { CertificateAuthority } from '@sallyport/contract';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import { appendAuditEvent } from '../audit/index.ts';
import type { AuditAction } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { publishWakeup } from '../platform/wakeups.ts';
import {
  createAuthority,
  deleteAuthority,
  holdAuthority,
  listAuthorities,
  lockFirstStart,
  setAuthorityState,
  type AuthorityRow,
  type Trust,
} from '../trust/index.ts';
import { countAgentCertificates } from './certificate-authorities.store.ts';

export async function listCertificateAuthorities(
  { db, clock }: Platform,
  op: Operation,
): Promise<{ items: CertificateAuthority[] }> {
  op.authorize('certificate-authority:read');
  return db.read(async (reader) => ({ items: await shown(reader, clock.now()) }));
}

/**
 * Makes the CA that is to follow: agents and clients learn to trust it before it issues anything.
 *
 * @throws AppError `certificate_authority.wrong_state` while a rotation is under way
 */
export async function prepareAuthority(
  platform: Platform,
  trust: Trust,
  op: Operation,
): Promise<CertificateAuthority> {
  const { rootKeys, clock } = platform;
  return change(platform, op, 'certificate-authority:prepare', async (tx, rows) => {
    if (rows.some(({ state }) => state === 'prepared' || state === 'superseded'))
      throw wrongState(
        'A rotation is under way: activate or delete the CA that is prepared, or retire the one that is superseded, first.',
      );
    const before = await trust.authorities.activeAsStored(tx);
    return createAuthority(tx, rootKeys, clock.now(), before);
  });
}

/**
 * Lets a prepared CA issue in place of the active one, which stays trusted; of a superseded one this is the way
 * back.
 *
 * @throws AppError `certificate_authority.not_found`, `certificate_authority.wrong_state`
 */
export async function activateAuthority(
  platform: Platform,
  op: Operation,
  id: string,
): Promise<CertificateAuthority> {
  return change(platform, op, 'certificate-authority:activate', async (tx, rows) => {
    const row = found(rows, id);
    if (row.state !== 'prepared' && row.state !== 'superseded')
      throw wrongState('Only a CA that is prepared or superseded can be activated.');
    const active = rows.find(({ state }) => state === 'active');
    // Back from a rotation: the other one is as it was before, and may be activated again.
    const then = row.state === 'prepared' ? 'superseded' : 'prepared';
    if (active !== undefined) await setAuthorityState(tx, active.id, then);
    await setAuthorityState(tx, id, 'active');
    return row;
  });
}

/**
 * Ends the trust in a superseded CA, and destroys its key. Agents whose certificates are of it would be shut out, so
 * that it is refused while there are any.
 *
 * @throws AppError `certificate_authority.not_found`, `certificate_authority.wrong_state`, `certificate_authority.in_use`
 */
export async function retireAuthority(
  platform: Platform,
  op: Operation,
  id: string,
): Promise<CertificateAuthority> {
  const { clock } = platform;
  return change(platform, op, 'certificate-authority:retire', async (tx, rows) => {
    const row = found(rows, id);
    if (row.state !== 'superseded')
      throw wrongState('Only a CA that is superseded can be retired.');
    // Whoever is issuing by it still is done, and counted, when this goes on.
    await holdAuthority(tx, id, 'UPDATE');
    const inUse = (await countAgentCertificates(tx, new Date(clock.now()))).get(id) ?? 0;
    if (inUse > 0)
      throw new AppError(
        'certificate_authority.in_use',
        `${inUse} agent certificates of this CA have not expired: wait until their agents have renewed them, or revoke those agents.`,
      );
    await setAuthorityState(tx, id, 'retired');
    return row;
  });
}

/** Gives up a CA that is prepared. @throws AppError `certificate_authority.not_found`, `certificate_authority.wrong_state` */
export async function deletePreparedAuthority(
  platform: Platform,
  op: Operation,
  id: string,
): Promise<void> {
  const { clock } = platform;
  await change(platform, op, 'certificate-authority:delete', async (tx, rows) => {
    const row = found(rows, id);
    // As for retiring: a replica that has not heard of the way back may be issuing by it.
    await holdAuthority(tx, id, 'UPDATE');
    const isUsed = (await countAgentCertificates(tx, new Date(clock.now()))).has(id);
    if (row.state !== 'prepared' || isUsed)
      throw wrongState('Only a CA that is prepared and has issued nothing can be deleted.');
    await deleteAuthority(tx, id);
    return row;
  });
}

/** One change at a time, told to every replica. Returns the CA as it is then; as it was, when it is gone. */
async function change(
  { db, clock }: Platform,
  op: Operation,
  action: AuditAction & `certificate-authority:${'prepare' | 'activate' | 'retire' | 'delete'}`,
  work: (tx: Db, rows: AuthorityRow[]) => Promise<AuthorityRow>,
): Promise<CertificateAuthority> {
  op.authorize(action);
  return db.transaction(async (tx) => {
    await lockFirstStart(tx);
    const row = await work(tx, await listAuthorities(tx));
    await publishWakeup(tx, { kind: 'authorities' });
    const fingerprint = certificateFingerprint(row.certificatePem);
    const act = {
      action,
      subject: `certificate-authority:${row.id}`,
      outcome: 'done',
      details: { fingerprint },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    const now = (await shown(tx, clock.now())).find(({ id }) => id === row.id);
    return now ?? shownRow(row, 0);
  });
}

function found(rows: AuthorityRow[], id: string): AuthorityRow {
  const row = rows.find((each) => each.id === id);
  if (row === undefined)
    throw new AppError(
      'certificate_authority.not_found',
      'There is no such certificate authority.',
    );
  return row;
}

function wrongState(message: string): AppError {
  return new AppError('certificate_authority.wrong_state', message);
}

async function shown(db: Db, nowMs: number): Promise<CertificateAuthority[]> {
  const rows = await listAuthorities(db);
  const counts = await countAgentCertificates(db, new Date(nowMs));
  return rows.map((row) => shownRow(row, counts.get(row.id) ?? 0));
}

function shownRow(row: AuthorityRow, agentCertificates: number): CertificateAuthority {
  const { id, state, certificatePem: certificate, createdAt } = row;
  return {
    id,
    state,
    fingerprint: certificateFingerprint(certificate),
    certificate,
    agentCertificates,
    expiresAt: new X509Certificate(certificate).validToDate.toISOString(),
    createdAt: createdAt.toISOString(),
  };
}
