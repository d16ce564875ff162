import { pageWithTable } from './page-with-table.ts';
import { linkTable, suiteTable } from './tls-tables.ts';

/** Writes the tables of docs/tls.md from the code; `--check` fails when they are not up to date. */
await pageWithTable('docs/tls.md', 'links', linkTable());
await pageWithTable('docs/tls.md', 'suites', suiteTable());
