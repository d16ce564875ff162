import { z } from 'zod';

/**
 * An id of a row: a UUID, version 7 where Sallyport made it (RFC 9562, section 5.7). Read in either case and
 * always lower-case from here on (section 4), since ids are compared as text.
 */
export const uuid = z.uuid().toLowerCase();

/** DNS-label shaped. */
function label() {
  return z
    .string()
    .regex(
      /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
      'use 1 to 63 of a-z, 0-9 and -, not at either end',
    );
}

/** A group's name: DNS-label shaped, so that it fits URLs, SPIFFE paths and file names. */
export const groupName = label();

/** A link's name, in its group. */
export const linkName = label();

/** A plugin type's name. */
export const pluginTypeName = label();

/** A secret's, plugin's or certificate's name: segments of letters, digits, `.`, `_`, `-`, joined by `/`. */
export const resourceName = z
  .string()
  .max(128)
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/,
    'use letters, digits, . _ - and / between segments, each starting with a letter, digit or _',
  );

/** An operator's name, searchable and never secret. */
export const operatorName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._@-]{0,63}$/,
    'use 1 to 64 of a-z, 0-9 and . _ @ -, starting with a letter or digit',
  );

/** Text that Postgres keeps as it came: no NUL, and no half of a surrogate pair, which UTF-8 cannot write. */
export const storableText = /^[^\0\p{Cs}]*$/u;

/** What an agent says of itself, for people to read; whoever prints it must escape it. */
export function remark(maxLength: number) {
  return z.string().max(maxLength).regex(storableText, 'use text without NUL, in UTF-8');
}

/** An instant, ISO 8601 in UTC. */
export const instant = z.iso.datetime();

/** An instant to look for: Postgres has no year 0. */
export const soughtInstant = instant.refine(
  (text) => !text.startsWith('0000'),
  'use a year from 0001 on',
);

/** A display label for an agent, by default its host's name. */
export const agentName = z
  .string()
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/,
    'use a host name of 1 to 64 characters',
  );
