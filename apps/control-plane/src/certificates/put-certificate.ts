import type {
  CertificateMetadata,
  CertificateValue,
  PutCertificateBody,
} from '@sallyport/contract';
import {
  CertificateError,
  readServerIdentity,
  type IdentityInput,
  type ServerIdentity,
} from '@sallyport/tls/server-identity';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup, entryBytes } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { sealForGroup } from '../keyrings/index.ts';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { certificateField } from './certificate-field.ts';
import { shownCertificate, type CertificatePath } from './certificates.service.ts';
import {
  findCertificate,
  replaceBody,
  upsertCertificate,
  type CertificateRow,
} from './certificates.store.ts';

/**
 * Creates a certificate, or replaces it as a whole: agents hold the old chain and key until they have the new
 * ones, both at once. `created` tells which of the two it was.
 *
 * @throws AppError `certificate.*` for what no client would accept
 */
export async function putCertificate(
  platform: Platform,
  op: Operation,
  path: CertificatePath,
  body: PutCertificateBody,
  precondition: Precondition,
): Promise<{ certificate: CertificateMetadata; created: boolean }> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'certificate:write', path.group);
  const { chain, key, facts } = await readIdentity(platform, body);
  const value: CertificateValue = { chain, key };
  const plaintext = Buffer.from(JSON.stringify(value), 'utf8');
  const written = entryBytes(path.certificate, plaintext);
  return changeGroup(platform, { ...group, written }, async (tx, revision) => {
    const given = { facts, offline: body.offline, now: new Date(clock.now()) };
    const before = await findCertificate(tx, group.id, path.certificate);
    precondition.check(before);
    const certificate = await upsertCertificate(tx, group.id, path.certificate, given);
    const id = newId();
    const place = { ...certificateField(id), groupId: group.id };
    const sealed = await sealForGroup(tx, platform, place, plaintext);
    await replaceBody(tx, { certificateId: certificate.id, groupId: group.id }, { id, ...sealed });
    const act = {
      action: 'certificate:write',
      subject: `certificate:${path.certificate}`,
      groupId: group.id,
      outcome: 'done',
      details: {
        version: certificate.version,
        revision,
        ...(before === undefined ? {} : { before: changing(before) }),
        after: changing(certificate),
      },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return { certificate: shownCertificate(certificate), created: certificate.version === 1 };
  }).finally(() => plaintext.fill(0));
}

/** What of a certificate a new version changes, besides what agents are sent. */
function changing({ version, fingerprint, notAfter, offline }: CertificateRow) {
  return { version, fingerprint, notAfter: notAfter.toISOString(), offline };
}

/** A PKCS#12 file costs what a password costs, so that it waits its turn among them. */
async function readIdentity(
  { clock, hashing }: Platform,
  body: PutCertificateBody,
): Promise<ServerIdentity> {
  const input = inputOf(body);
  const read = () => readServerIdentity(input, clock.now());
  try {
    return await ('pkcs12' in input ? hashing.run(read) : read());
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    const { code, field, message } = error;
    const issues = [{ field: `body.${field}`, message }];
    throw new AppError(code, message, { issues, cause: error });
  }
}

/** Either form, of which the contract lets in exactly one. */
function inputOf({ chain, key, pkcs12, password }: PutCertificateBody): IdentityInput {
  if (chain !== undefined && key !== undefined) return { chain, key };
  return { pkcs12: Buffer.from(pkcs12 ?? '', 'base64'), password: password ?? '' };
}
