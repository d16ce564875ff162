import { AgentError } from '../agent-error.ts';
import { fieldOf } from '../local-api/secret-query.ts';
import { notThere, unusable } from './provider.ts';

/**
 * The field of a value, which is zeroed; the value itself where no field is asked for.
 *
 * @throws AgentError `reference.failed` for what is no JSON, `reference.not_found` for a field that is not there
 */
export function memberOf(value: Buffer, field: string | undefined): Buffer {
  if (field === undefined) return value;
  try {
    return fieldOf(value, field);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    if (error.code === 'secret.not_json')
      throw unusable(
        'what the secret refers to is no JSON, and has no fields',
        'leave the field out of the reference',
      );
    throw notThere(
      'what the secret refers to has no field of the name in the reference',
      'mend the reference',
    );
  } finally {
    value.fill(0);
  }
}
