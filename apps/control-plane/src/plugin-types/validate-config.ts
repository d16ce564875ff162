import { Validator, type OutputUnit } from '@cfworker/json-schema';
import type { JsonObject } from '@sallyport/contract';
import { formatPointer, parsePointer } from '@sallyport/crypto/json-pointer';
import { own } from '@sallyport/crypto/masked-fields';
import { runBounded, TimeLimitError } from '../platform/run-bounded.ts';
import { pathOf, schemasIn } from './check-schema.ts';

/** What does not fit, by the JSON Pointer of the place: never a value. A key may be one: see `nameablePath`. */
export type Misfit = { path: string; problem: string };

const VALIDATION_LIMIT_MS = 250;
const MAX_MISFITS = 20;

/** Keywords that only say that something below them failed. */
const OUTER = new Set([
  'properties',
  'patternProperties',
  'additionalProperties',
  'unevaluatedProperties',
  'items',
  'prefixItems',
  'unevaluatedItems',
  'allOf',
  'if',
  '$ref',
  'dependentSchemas',
]);

/** A validator that interprets the schema: no code is made of what somebody sent. */
export function compileSchema({ $id: _id, $schema: _dialect, ...schema }: JsonObject): Validator {
  // A copy: the validator writes into what it is given.
  const copy = structuredClone(schema);
  for (const each of schemasIn(copy)) {
    const reference = own(each, '$ref');
    if (typeof reference === 'string') each['$ref'] = asTheValidatorWrites(reference);
  }
  return new Validator(copy, '2020-12', false);
}

/** It finds a schema by the text of a reference, of which there are several for one place. */
function asTheValidatorWrites(reference: string): string {
  return `#${encodeURI(formatPointer(pathOf(reference))).replaceAll('#', '%23')}`;
}

/** Whether a configuration, in plaintext, fits a checked schema. It takes a quarter of a second at most. */
export function validateConfig(schema: JsonObject, config: JsonObject): Misfit[] {
  try {
    return runBounded(VALIDATION_LIMIT_MS, () => {
      const { errors } = compileSchema(schema).validate(config);
      const inner = errors.filter(({ keyword }) => !OUTER.has(keyword));
      return (inner.length > 0 ? inner : errors).slice(0, MAX_MISFITS).map(misfit);
    });
  } catch (error) {
    if (error instanceof TimeLimitError || error instanceof RangeError)
      return [{ path: '', problem: 'takes too long to hold against the schema of its type' }];
    throw error;
  }
}

function misfit({ instanceLocation, keyword, error }: OutputUnit): Misfit {
  const path = decodeURIComponent(instanceLocation.slice(1));
  if (keyword === 'false') return { path, problem: 'is not known to the type; leave it out' };
  // The name is of the schema, not of the configuration.
  const [, required] = /required property "([^"]{1,64})"/.exec(error) ?? [];
  if (keyword === 'required' && required !== undefined)
    return { path, problem: `lacks ${required}` };
  return { path, problem: `fails ${keyword}` };
}

const NAMEABLE = /^[\w.@$ -]{1,64}$/;

/** A JSON Pointer without what may be no name: a key of an operator's object can be anything, also a value. */
export function nameablePath(pointer: string): string {
  return formatPointer(parsePointer(pointer).map((part) => (NAMEABLE.test(part) ? part : '?')));
}
