import { AgentError } from '../agent-error.ts';
import { compacted, unescaped } from './json-text.ts';
import { walkTo, type Span } from './json-walk.ts';

/** What of a secret is asked for; nothing: its whole value, whichever version it is. */
export type SecretQuery = { version?: number; field?: string };

const MAX_FIELD = 256;

/**
 * Reads `version=3&field=user`; `field` is the name of a member, or a JSON Pointer (RFC 6901) such as `/db/user`.
 *
 * @throws AgentError `request.invalid`
 */
export function readSecretQuery(text: string): SecretQuery {
  const given = new URLSearchParams(text);
  const asked: SecretQuery = {};
  for (const [name, value] of given) {
    if (given.getAll(name).length > 1) throw invalid(`${shown(name)} is there twice`);
    if (name === 'version' && /^[1-9]\d{0,8}$/.test(value)) asked.version = Number(value);
    else if (name === 'field' && isField(value)) asked.field = value;
    else throw invalid(`${shown(name)} cannot be read`);
  }
  return asked;
}

/** Only what is known is repeated: somebody may have put a value in the place of a name. */
function shown(name: string): string {
  return name === 'version' || name === 'field' ? name : 'a parameter';
}

function isField(text: string): boolean {
  return text !== '' && text.length <= MAX_FIELD && !/~(?![01])/.test(text);
}

function invalid(what: string): AgentError {
  return new AgentError('request.invalid', `in the query, ${what}`, {
    advice: 'use version=<number> and field=<member, or /json/pointer>',
  });
}

/**
 * One member of a secret that is JSON, as UTF-8: a text as it is, anything else as JSON. The caller zeroes it.
 *
 * @throws AgentError `secret.not_json`, `secret.field_not_found`
 */
export function fieldOf(value: Uint8Array, field: string): Buffer {
  const span = find(value, namesIn(field));
  if (span === undefined)
    throw new AgentError('secret.field_not_found', 'the secret has no field of this name', {
      advice: 'read it whole, without field, to see which it has',
    });
  const found = Buffer.from(value.buffer, value.byteOffset + span.start, span.end - span.start);
  return span.isText ? unescaped(found.subarray(1, -1)) : compacted(found);
}

function namesIn(field: string): string[] {
  if (!field.startsWith('/')) return [field];
  return field
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function find(value: Uint8Array, names: readonly string[]): Span | undefined {
  try {
    return walkTo(value, names);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new AgentError('secret.not_json', 'the secret is no JSON, and has no fields', {
      advice: 'read it whole, without field',
      cause,
    });
  }
}
