import { asAdmin } from '@sallyport/testkit/database';
import type { TestControlPlane } from './control-plane.ts';

export type StoredField = { id: string; path: string; sealed: Buffer; keyVersion: number };

/** The encrypted fields of a plugin as they are stored, by path. */
export async function storedFields(
  { databaseUrl }: TestControlPlane,
  plugin: string,
): Promise<Map<string, StoredField>> {
  return asAdmin(databaseUrl, async (client) => {
    const { rows } = await client.query<StoredField>(
      `SELECT f.id, f.path, f.sealed_value AS sealed, f.key_version AS "keyVersion"
        FROM plugin_fields f JOIN plugins p ON p.id = f.plugin_id WHERE p.name = $1`,
      [plugin],
    );
    return new Map(rows.map((row) => [row.path, row]));
  });
}

/** Every row of every table as text. */
export async function dumpOf({ databaseUrl }: TestControlPlane): Promise<string> {
  return asAdmin(databaseUrl, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const contents: string[] = [];
    for (const { name } of tables)
      contents.push(JSON.stringify((await client.query(`SELECT t::text FROM ${name} t`)).rows));
    return contents.join('\n');
  });
}
