import type { ProblemIssue } from '@sallyport/contract';
import type { FastifySchemaCompiler } from 'fastify';
import { z } from 'zod';
import { AppError } from '../platform/app-error.ts';

/** What a caller is told at once: a body can be wrong in as many places as it has bytes. */
const MAX_ISSUES = 20;
const MAX_KNOWN_NAMES = 20;

/** Compiles the check of one part of a request. What it refuses is named by names of ours alone. */
export const validateRequest: FastifySchemaCompiler<z.ZodType> = ({
  schema,
  httpPart = 'body',
}) => {
  return (data) => {
    const { success, data: value, error } = schema.safeParse(data, { error: tellWhatIsKnown });
    return success ? { value } : { error: invalid(httpPart, error.issues) };
  };
};

function invalid(part: string, found: readonly z.core.$ZodIssue[]): AppError {
  const issues = found.slice(0, MAX_ISSUES).map(({ path, message }): ProblemIssue => ({
    field: [part, ...path.map(String)].join('.'),
    message,
  }));
  const fields = [...new Set(issues.map(({ field }) => field))].slice(0, 5).join(', ');
  return new AppError('request.invalid', `The request is not valid: see ${fields}.`, { issues });
}

/**
 * An unknown field's name is never repeated: what stands in the place of a name may be anything, also a value
 * that slipped. What is known there leads to it all the same.
 */
const tellWhatIsKnown: z.core.$ZodErrorMap = (issue) => {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const count = issue.keys.length;
  const unknown = count === 1 ? 'a field that is' : `${count} fields that are`;
  const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
  const names = known.slice(0, MAX_KNOWN_NAMES).join(', ');
  return `has ${unknown} not known here; ${names === '' ? 'there are none' : `known are ${names}`}`;
};
