import { PRISMA_DIRECTORY, readSchema } from '../apps/control-plane/src/platform/prisma-folder.ts';
import { sensitiveColumns } from '../apps/control-plane/src/system/sensitive-data.ts';
import { pageWithTable } from './page-with-table.ts';

/** Writes the table of docs/sensitive-data.md from schema.prisma; `--check` fails when it is not up to date. */
const rows = sensitiveColumns(await readSchema(PRISMA_DIRECTORY)).map(
  ({ table, column, holds, protection, key }) =>
    `| \`${table}.${column}\` | ${holds} | ${protection} | ${key ?? ''} |`,
);
await pageWithTable('docs/sensitive-data.md', 'columns', [
  '| column | holds | protected by | opened by |',
  '| --- | --- | --- | --- |',
  ...rows,
]);
