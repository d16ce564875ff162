import { jsonText, printable } from '@sallyport/contract';
import type { Terminal } from './terminal.ts';

/** A label and what it says. */
export type Field = readonly [label: string, text: string];

/** Where results go: words for people, or with `--json` exactly one JSON value on standard output. */
export class Output {
  json = false;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** The result of a command; called once, this or one of those below. */
  result(value: unknown, text: string): void {
    this.#terminal.stdout.write(`${this.json ? jsonText(value) : text}\n`);
  }

  /** A list as the result. That it has nothing in it is told to people only, never to a pipe. */
  list(items: readonly unknown[], text: string): void {
    if (items.length > 0 || this.json) this.result(items, text);
    else this.progress(text);
  }

  /** A revealed value, byte for byte; a person gets a line end after it. */
  revealed(value: { value: string }): void {
    if (this.json) this.result(value, '');
    else this.#terminal.stdout.write(this.#terminal.stdoutIsTty ? `${value.value}\n` : value.value);
  }

  /** What is going on meanwhile; for people only, and never mixed with the result. */
  progress(text: string): void {
    if (!this.json) this.#terminal.stderr.write(`${text}\n`);
  }

  /** Why there is no result. */
  failure(line: string, error: unknown): void {
    this.#terminal.stderr.write(this.json ? `${jsonText({ error })}\n` : `sallyport: ${line}\n`);
  }
}

/** Labels and texts in two columns. */
export function fields(rows: readonly Field[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows
    .map(([label, text]) => `${label.padEnd(width)}  ${printable(text)}`.trimEnd())
    .join('\n');
}

/** A heading and a line for each row, in columns; or one sentence when there are no rows. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  none: string,
): string {
  if (rows.length === 0) return none;
  const lines = [headings, ...rows.map((row) => row.map(printable))];
  const widths = headings.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
