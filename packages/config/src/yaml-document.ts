import { LineCounter, parseDocument } from 'yaml';
import type { Findings } from './findings.ts';

/** The document, or undefined with the problem told. YAML's own messages quote the line, so only its code is kept. */
export function parseYaml(file: string, text: string, findings: Findings): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  // What comes after the first is most often of the same mistake.
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) {
    const { line, col } = lineCounter.linePos(fault.pos[0]);
    findings.problems.push(`${file}, line ${line}, column ${col}: not valid YAML (${fault.code})`);
    return undefined;
  }
  try {
    return document.toJS() ?? {};
  } catch {
    findings.problems.push(
      `${file}: not valid YAML; an alias names no anchor, or expands to too much`,
    );
    return undefined;
  }
}
