import type pg from 'pg';
import { Database } from '../../src/platform/db.ts';

/** The real database, and something that happens once, just before the next statement of a name. */
export class DatabaseWithMeanwhile extends Database {
  #next: { statement: string; happens: () => Promise<unknown> } | undefined;

  meanwhile(statement: string, happens: () => Promise<unknown>): void {
    this.#next = { statement, happens };
  }

  override async direct<Row extends pg.QueryResultRow>(
    statement: { name?: string; text: string },
    values: unknown[],
  ): Promise<Row[]> {
    const next = this.#next;
    if (next !== undefined && next.statement === statement.name) {
      this.#next = undefined;
      await next.happens();
    }
    return super.direct<Row>(statement, values);
  }
}
