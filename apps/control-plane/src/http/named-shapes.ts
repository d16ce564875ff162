import { isDeepStrictEqual } from 'node:util';
import * as contract from '@sallyport/contract';
import { jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';

/** What has a name in the contract has it in the document: `secret` is `Secret`. A query is written out as parameters. */
for (const [name, shape] of Object.entries(contract))
  if (isShape(shape) && shape !== contract.problem && !name.endsWith('Query'))
    z.globalRegistry.add(shape, {
      // What it says of itself stands there too.
      ...z.globalRegistry.get(shape),
      id: `${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    });

const REFERENCE = /^(#\/components\/schemas\/)(\w+?)(Input)?$/;

/**
 * Adds the named shapes that something refers to. Each has one name, where the library has one for what is read and
 * another for what is written.
 */
export const withNamedShapes: typeof jsonSchemaTransformObject = (given) => {
  const document = jsonSchemaTransformObject(given);
  const components = 'components' in document ? document.components : undefined;
  const every: Record<string, object> = components?.schemas ?? {};
  const shapes = new Map<string, object>();
  const taken = new Set<string>();
  const take = (node: unknown) => {
    for (const each of objectsIn(node)) {
      contract.writePlainly(each);
      const [, folder = '', name = '', input = ''] = REFERENCE.exec(String(each['$ref'])) ?? [];
      const shape = every[name + input];
      if (shape === undefined) continue;
      each['$ref'] = folder + name;
      if (taken.has(name + input)) continue;
      taken.add(name + input);
      take(shape);
      if (!isDeepStrictEqual(shapes.get(name) ?? shape, shape))
        throw new Error(`${name} is read otherwise than it is written: give the two a name each`);
      shapes.set(name, shape);
    }
  };
  take(document.paths);
  // It may grow (RFC 9457, section 3.2).
  const { additionalProperties: _, ...open } = {
    additionalProperties: false,
    ...shapes.get('Problem'),
  };
  shapes.set('Problem', open);
  const schemas = Object.fromEntries([...shapes].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return Object.assign(document, { components: { ...components, schemas } });
};

function* objectsIn(node: unknown): Generator<Record<string, unknown>> {
  if (typeof node !== 'object' || node === null) return;
  if (isRecord(node)) yield node;
  for (const child of Object.values(node)) yield* objectsIn(child);
}

function isRecord(node: object): node is Record<string, unknown> {
  return !Array.isArray(node);
}

function isShape(exported: unknown): exported is z.ZodType {
  return [z.ZodObject, z.ZodEnum, z.ZodUnion, z.ZodLazy].some((kind) => exported instanceof kind);
}
