import {
  looksSecret,
  type JsonObject,
  type JsonValue,
  type PluginTypeDefinition,
  type ProblemIssue,
} from '@sallyport/contract';
import { formatPointer, parsePointer, type Path } from '@sallyport/crypto/json-pointer';
import { isObject } from '@sallyport/crypto/masked-fields';
import { runBounded, TimeLimitError } from '../platform/run-bounded.ts';
import { checkSchema, MAX_ISSUES } from './check-schema.ts';
import { childrenOf, layersOf, mayHoldText, stepInto } from './schema-fields.ts';
import { isMarked, type Marks } from './secret-names.ts';
import { compileSchema } from './validate-config.ts';

type Paths = Pick<PluginTypeDefinition, 'encryptedFields' | 'publicFields'>;

const LINT_LIMIT_MS = 1_000;
const MAX_VISITS = 20_000;

/** Text that stands in the schema itself, which anybody may read. */
const TELLING = ['default', 'examples', 'const', 'enum'];

export function marksOf({ encryptedFields, publicFields }: Paths): Marks {
  return { encrypted: encryptedFields.map(parsePointer), public: publicFields.map(parsePointer) };
}

/** What is wrong with a plugin type: with its schema, its paths, or a field that looks secret and is in clear. */
export function lintType(type: PluginTypeDefinition): ProblemIssue[] {
  try {
    return runBounded(LINT_LIMIT_MS, () => {
      const schemaIssues = checkSchema(type.schema);
      if (schemaIssues.length > 0) return schemaIssues;
      compileSchema(type.schema).validate({});
      return [...pathIssues(type), ...fieldsInClear(type)].slice(0, MAX_ISSUES);
    });
  } catch (error) {
    // Of the validator: what the checks above let pass and it does not know.
    if (error instanceof TimeLimitError || error instanceof RangeError)
      return [{ field: 'body.schema', message: 'takes too long to check; make it simpler' }];
    throw error;
  }
}

function pathIssues({
  schema,
  encryptedFields,
  publicFields,
}: PluginTypeDefinition): ProblemIssue[] {
  const missing = (list: 'encryptedFields' | 'publicFields', paths: readonly string[]) =>
    paths.flatMap((path, index): ProblemIssue[] => {
      const field = `body.${list}.${index}`;
      const ends = follow(schema, parsePointer(path));
      if (ends.length === 0)
        return [{ field, message: `is ${path}, which the schema does not have` }];
      if (list === 'encryptedFields' && ends.some((end) => tells(schema, end)))
        return [
          {
            field,
            message: `is ${path}, of which the schema itself gives a value (${TELLING.join(', ')})`,
          },
        ];
      return [];
    });
  const twice = publicFields.flatMap((path, index): ProblemIssue[] =>
    encryptedFields.includes(path)
      ? [
          {
            field: `body.publicFields.${index}`,
            message: `is ${path}, which is an encrypted field`,
          },
        ]
      : [],
  );
  return [
    ...missing('encryptedFields', encryptedFields),
    ...missing('publicFields', publicFields),
    ...twice,
  ];
}

function follow(root: JsonObject, path: Path): JsonValue[] {
  let reached: JsonValue[] = [root];
  for (const part of path)
    reached = [...new Set(reached.flatMap((schema) => stepInto(layersOf(root, schema), part)))];
  return reached;
}

function tells(root: JsonObject, schema: JsonValue): boolean {
  return [...layersOf(root, schema)].some(
    (layer) => isObject(layer) && TELLING.some((keyword) => Object.hasOwn(layer, keyword)),
  );
}

function fieldsInClear(type: PluginTypeDefinition): ProblemIssue[] {
  const { schema: root } = type;
  const marks = marksOf(type);
  const found = new Map<string, ProblemIssue>();
  const above = new Set<JsonValue>();
  let visits = 0;
  const visit = (schema: JsonValue, at: Path, suspect: boolean): void => {
    visits += 1;
    if (visits > MAX_VISITS) throw new TimeLimitError('the schema has too many fields');
    // Deeper in a schema that holds itself, the same check is made of each plugin.
    if (isMarked(marks, at) || above.has(schema)) return;
    const layers = layersOf(root, schema);
    const pointer = formatPointer(at);
    if (suspect && mayHoldText(layers))
      found.set(pointer, {
        field: `body.schema:${pointer}`,
        message:
          'looks like a secret: list its path in encryptedFields, or in publicFields if it is none',
      });
    if (isObject(schema)) above.add(schema);
    for (const child of [...layers].flatMap(childrenOf))
      visit(child.schema, [...at, child.part], suspect || looksSecret(child.name));
    above.delete(schema);
  };
  visit(root, [], false);
  return [...found.values()];
}
