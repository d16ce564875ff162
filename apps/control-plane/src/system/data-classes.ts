/**
 * What a column may hold and how that is protected. Every column of the schema names one of these; what is
 * `sensitive` is listed by `GET /api/v1/system/sensitive-data`.
 */
export const dataClasses = {
  clear: {
    sensitive: false,
    protection: 'none: names, ids, counts, times and states',
    key: null,
  },
  public: {
    sensitive: false,
    protection: 'none: public keys and certificates, which are for everybody',
    key: null,
  },
  personal: {
    sensitive: true,
    protection: 'none, so that it can be searched; it names a person or where one was',
    key: null,
  },
  words: {
    sensitive: true,
    protection: 'none: closed by a schema or written by an agent; values are kept out of it',
    key: null,
  },
  plain: {
    sensitive: true,
    protection:
      'none: what an operator writes there stands in clear; put secrets into secrets or encrypted fields',
    key: null,
  },
  'hashed-token': {
    sensitive: true,
    protection: 'PBKDF2-HMAC-SHA512, 210,000 iterations, its own salt; cannot be turned back',
    key: null,
  },
  'hashed-password': {
    sensitive: true,
    protection:
      'argon2id (64 MiB, 3 passes) or PBKDF2-HMAC-SHA512 (210,000 iterations), its own salt; cannot be turned back',
    key: null,
  },
  'sealed-root': {
    sensitive: true,
    protection: 'AES-256-GCM, bound to its table, row and field',
    key: 'the root key, which is never in the database',
  },
  'sealed-keyring': {
    sensitive: true,
    protection: 'AES-256-GCM, bound to its table, row, field, group and key version',
    key: 'a version of the group’s keyring',
  },
  'sealed-delivery': {
    sensitive: true,
    protection: 'JWE (A256GCM) around a JWS (EdDSA)',
    key: 'the group’s delivery key of the epoch',
  },
} as const satisfies Record<string, DataClass>;

type DataClass = { sensitive: boolean; protection: string; key: string | null };
export type DataClassName = keyof typeof dataClasses;

export function isDataClass(name: string): name is DataClassName {
  return Object.hasOwn(dataClasses, name);
}
