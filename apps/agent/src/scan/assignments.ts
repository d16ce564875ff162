import { looksSecret } from '@sallyport/contract';
import type { KindOfText } from './kinds-of-file.ts';
import { isSecretOfWords, SPACED_FORM } from './spaced-values.ts';

export type Assignment = {
  line: number;
  column: number;
  rule: 'assignment';
  key: string;
  value: string;
};

/** `key = value`, `key: value`, `"key": "value"` and `<key>value</key>`, on a line of their own or within one. */
const FORMS = [
  /(?<key>[A-Za-z_][\w.-]{1,63})["']?\s*(?<sign>:=|=>|[:=])\s*(?<quote>["'`])(?<value>[^"'`\n]{4,512})\k<quote>/g,
  /^[ \t-]*(?:export\s+)?(?<key>[A-Za-z_][\w.-]{1,63})\s*(?<sign>[:=])[ \t]*(?<value>[^\s"'`#;,&|][^\s#;]{3,511})\s*(?:[#;].*)?$/gm,
  /<(?<key>[A-Za-z_][\w.-]{1,63})>(?<value>[^<>\s]{4,512})<\/\k<key>>/g,
];

/** What stands for a value that comes from elsewhere, or for none. */
const PLACEHOLDERS = [
  /^[<[{(%$*_.-]/,
  /\$\{|\{\{|%\(|<[\w -]+>/,
  /^(?:true|false|null|none|nil|undefined|required|optional|string|changeit)$/i,
  /^(?:x{3,}|\*+|\.{3})$/i,
  // A call, a member or a type of the code around it.
  /[()[\]{}]|^(?:process\.env|os\.environ|env|secrets?|vars?|config|settings|this|self)\b[.:]/i,
  // What Sallyport and others put in the place of a value.
  /^(?:secret|lease|vault|aws-sm|azure-kv|k8s|file|env|exec|op|ref):/i,
  // A path, or where something is found.
  /^(?:\.{0,2}\/|~\/|[A-Za-z]:\\)/,
];

/** A tag of a template, from its opening to its end: `{{ "db/login" | secret: "user" }}`. */
const TAG = /\{\{(?:(?!\{[{%])[^]){0,512}?\}\}|\{%-?\s(?:(?!\{[{%])[^]){0,512}?%\}/g;
/** What stands before the name of a filter: a pipe of an earlier line may be YAML's, of a block of text. */
const BEFORE_FILTER = /\|[ \t]*$/;

/**
 * What is no literal after a colon in code with types: the name of a type, or another that the code goes on after.
 * What is neither may stand in a text of several lines.
 */
const NAME_IN_CODE =
  /^(?:(?:[A-Z][A-Za-z$.]*|Uint8Array|str|bytes|bool|boolean|number|bigint|unknown|never)(?:,|;.*)?|[\w$.]+(?:,|;.*))$/;
const TYPE_DECLARATION = /\btype[ \t]+$/;

/**
 * Literals that are assigned to names that look secret, in a text of any kind. In typed code types are none; in
 * settings a value may have spaces.
 */
export function assignments(text: string, kind: KindOfText): Assignment[] {
  const found = new Map<number, Assignment>();
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const tags = [...text.matchAll(TAG)];
  const forms = kind === 'settings' ? [...FORMS, SPACED_FORM] : FORMS;
  for (const form of forms) {
    // In the order of the text, as the tags and lines are.
    let [line, tag] = [1, 0];
    for (const match of text.matchAll(form)) {
      const { key = '', sign, value = '' } = match.groups ?? {};
      if (!looksSecret(key) || PLACEHOLDERS.some((placeholder) => placeholder.test(value)))
        continue;
      if (form === SPACED_FORM && !isSecretOfWords(key, value)) continue;
      const at = match.index + match[0].indexOf(key);
      if (kind === 'typed code' && isOfCode(match, text.slice(Math.max(0, at - 16), at))) continue;
      while (tag < tags.length && endOf(tags[tag]) <= at) tag += 1;
      const begin = tags[tag]?.index ?? at;
      if (sign === ':' && begin < at && BEFORE_FILTER.test(text.slice(begin, at))) continue;
      while ((starts[line] ?? Infinity) <= at) line += 1;
      const column = at - (starts[line - 1] ?? 0) + 1;
      if (!found.has(line)) found.set(line, { line, column, rule: 'assignment', key, value });
    }
  }
  return [...found.values()];
}

/** Whether what is assigned is a type or a name, not a text; `before` is what stands right before it. */
function isOfCode({ 0: whole, groups = {} }: RegExpMatchArray, before: string): boolean {
  const { sign, quote, value = '' } = groups;
  if (quote !== undefined) return TYPE_DECLARATION.test(before);
  return sign === ':' && NAME_IN_CODE.test(whole.slice(whole.lastIndexOf(value)).trimEnd());
}

function endOf(tag: RegExpExecArray | undefined): number {
  return tag === undefined ? Infinity : tag.index + tag[0].length;
}
