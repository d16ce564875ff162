import { looksSecret } from '@sallyport/contract';

/** `key = some words` on a line of its own; what follows ` #` or ` ;` is a comment. */
export const SPACED_FORM =
  /^[ \t-]*(?:export\s+)?(?<key>[A-Za-z_][\w.-]{1,63})[ \t]*(?<sign>[:=])[ \t]*(?<value>[^\s"'`#;,&|>!][^\s|]{0,63}(?:[ \t]{1,4}[^\s#;|][^\s|]{0,63}){1,7})[ \t]*(?:[ \t][#;].*)?$/gm;

/** A key that holds a value, and not what is to be known of one, as `password_policy` does. */
const HOLDS_VALUE =
  /(?:pass(?:word|wd|phrase)?|secret|token|credentials?|key|pwd|psk)[_.-]?\d{0,3}$/i;
/** Words of texts about secrets. A passphrase with one of them is passed over, for the sake of those texts. */
const OF_PROSE = new Set(
  `a an the this that your my our its any all each every some no none not never only same see as by for from in into of
  on to at with without via if when where here there and or is are was be been must may can should will do does need needs
  use uses used using set get read enter type choose change ask stored generated provided required optional default unset
  unused empty please todo tbd files compat`.split(/\s+/),
);
/** What is shown to people begins with a capital letter, and has nothing but letters in its words. */
const LABEL = /^\p{Lu}[\p{L}\p{M}'’-]*(?:\s+[\p{L}\p{M}'’-]+)+[.!?…]?$/u;

/** Whether words that are assigned to a key may well be its secret. */
export function isSecretOfWords(key: string, value: string): boolean {
  if (!HOLDS_VALUE.test(key) || LABEL.test(value) || /:\s|[.?:…]$/.test(value)) return false;
  const words = value
    .split(/\s+/)
    .map((word) => word.toLowerCase().replaceAll(/[^\p{L}\p{N}]+$/gu, ''));
  return !words.some((word) => OF_PROSE.has(word) || looksSecret(word));
}
