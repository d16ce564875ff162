import { isDataClass, type DataClassName } from './data-classes.ts';

/** A column and what schema.prisma says of it; `dataClass` is missing where it says nothing. */
export type ClassifiedColumn = {
  table: string;
  column: string;
  dataClass: DataClassName | undefined;
  /** What it holds, in words; for what is sensitive. */
  what: string;
};

const MODEL = /((?:^\/\/\/.*\n)*)^model (\w+) \{\n([^}]*)^\}/gm;
const ANNOTATION = /^\/\/\/ @([\w-]+) (\w+(?:, \w+)*)(?:: (.+))?$/gm;
const FIELD = /^ {2}(\w+) +(\w+)(?:\[\]|\?)?(.*)$/gm;

/**
 * Reads the classification of every column from schema.prisma: lines such as
 * `/// @sealed-keyring sealedValue: the value of a secret` above a model.
 *
 * @throws Error of a class or a field that does not exist, or one that is named twice
 */
export function classifiedColumns(schema: string): ClassifiedColumn[] {
  const models = [...schema.matchAll(MODEL)];
  const names = new Set(models.map(([, , name]) => name));
  return models.flatMap(([, comment = '', name = '', body = '']) => {
    const said = annotations(name, comment);
    const table = /@@map\("(\w+)"\)/.exec(body)?.[1] ?? name;
    const columns = [...body.matchAll(FIELD)]
      .filter(([, , type = '']) => !names.has(type))
      .map(([, field = '', , rest = '']) => {
        const { dataClass, what = '' } = said.get(field) ?? {};
        said.delete(field);
        return { table, column: /@map\("(\w+)"\)/.exec(rest)?.[1] ?? field, dataClass, what };
      });
    const [unknown] = said.keys();
    if (unknown !== undefined) throw new Error(`${name} has no column for ${unknown}`);
    return columns;
  });
}

function annotations(
  model: string,
  comment: string,
): Map<string, { dataClass: DataClassName; what: string }> {
  const said = new Map<string, { dataClass: DataClassName; what: string }>();
  for (const [, dataClass = '', fields = '', what = ''] of comment.matchAll(ANNOTATION)) {
    if (!isDataClass(dataClass)) throw new Error(`${model} names the unknown class ${dataClass}`);
    for (const field of fields.split(', ')) {
      if (said.has(field)) throw new Error(`${model} classifies ${field} twice`);
      said.set(field, { dataClass, what });
    }
  }
  return said;
}
