import type { SensitiveColumn } from '@sallyport/contract';
import type { Operation } from '../authorization/index.ts';
import { classifiedColumns } from './classified-columns.ts';
import { dataClasses } from './data-classes.ts';

/** Every column that holds something sensitive, how it is protected and by which key: from schema.prisma. */
export function sensitiveColumns(schema: string): SensitiveColumn[] {
  return classifiedColumns(schema).flatMap(({ table, column, dataClass, what }) => {
    if (dataClass === undefined) throw new Error(`${table}.${column} is not classified`);
    const { sensitive, protection, key } = dataClasses[dataClass];
    return sensitive ? [{ table, column, holds: what, class: dataClass, protection, key }] : [];
  });
}

export function listSensitiveData(
  columns: SensitiveColumn[],
  op: Operation,
): { columns: SensitiveColumn[] } {
  op.authorize('sensitive-data:read');
  return { columns };
}
