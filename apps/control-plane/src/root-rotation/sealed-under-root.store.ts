import type { Place } from '@sallyport/crypto/envelope';
import { auditKeyPlace } from '../audit/index.ts';
import { exchangePlace } from '../idempotency/index.ts';
import { keyPlace } from '../keyrings/index.ts';
import { totpPlace } from '../operators/index.ts';
import type { Db } from '../platform/db.ts';
import { authorityKeyPlace, signingKeyPlace } from '../trust/index.ts';

/** One value that the root key seals, and how to put another in its stead. */
export type SealedUnderRoot = {
  sealed: Uint8Array;
  place: Place;
  replace: (anew: Uint8Array<ArrayBuffer>) => Promise<unknown>;
};

/** Everything that the root key seals, by column: what a rotation of it has to seal anew. */
export const sealedUnderRoot: Record<string, (tx: Db) => Promise<SealedUnderRoot[]>> = {
  'signing_keys.sealed_private_key': async (tx) =>
    (await tx.signingKey.findMany()).map(({ id, sealedPrivateKey }) => ({
      sealed: sealedPrivateKey,
      place: signingKeyPlace(id),
      replace: (anew) => tx.signingKey.update({ where: { id }, data: { sealedPrivateKey: anew } }),
    })),
  'certificate_authorities.sealed_private_key': async (tx) =>
    (await tx.certificateAuthority.findMany()).flatMap(({ id, sealedPrivateKey }) =>
      // Destroyed: the CA is retired.
      sealedPrivateKey === null
        ? []
        : [
            {
              sealed: sealedPrivateKey,
              place: authorityKeyPlace(id),
              replace: (anew) =>
                tx.certificateAuthority.update({ where: { id }, data: { sealedPrivateKey: anew } }),
            },
          ],
    ),
  'operator_totps.sealed_secret': async (tx) =>
    (await tx.operatorTotp.findMany()).map(({ operatorId, sealedSecret }) => ({
      sealed: sealedSecret,
      place: totpPlace(operatorId),
      replace: (anew) =>
        tx.operatorTotp.update({ where: { operatorId }, data: { sealedSecret: anew } }),
    })),
  'idempotency_keys.sealed_exchange': async (tx) =>
    (await tx.idempotencyKey.findMany()).map(({ id, sealedExchange }) => ({
      sealed: sealedExchange,
      place: exchangePlace(id),
      // One that was forgotten or replaced meanwhile needs no new seal.
      replace: (anew) =>
        tx.idempotencyKey.updateMany({
          where: { id, sealedExchange },
          data: { sealedExchange: anew },
        }),
    })),
  'audit_signing_keys.sealed_private_key': async (tx) =>
    (await tx.auditSigningKey.findMany()).map(({ id, sealedPrivateKey }) => ({
      sealed: sealedPrivateKey,
      place: auditKeyPlace(id),
      replace: (anew) =>
        tx.auditSigningKey.update({ where: { id }, data: { sealedPrivateKey: anew } }),
    })),
  'keyring_versions.wrapped_key': async (tx) =>
    (await tx.keyringVersion.findMany()).flatMap(({ groupId, version, wrappedKey }) =>
      // Destroyed: nothing uses it any more.
      wrappedKey === null
        ? []
        : [
            {
              sealed: wrappedKey,
              place: keyPlace(groupId, version),
              replace: (anew) =>
                tx.keyringVersion.update({
                  where: { groupId_version: { groupId, version } },
                  data: { wrappedKey: anew },
                }),
            },
          ],
    ),
};
