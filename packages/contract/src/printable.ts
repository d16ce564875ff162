/** Longer than any text that a person needs; a peer may send more. */
const MAX_CHARACTERS = 2_000;

/**
 * Foreign text for a terminal: escape sequences, which would rewrite the screen of the person who reads it,
 * are shown instead of obeyed, and what is too long is cut off. All that came over the network is foreign.
 */
export function printable(text: string): string {
  const shown = text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
  return shown.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** A text that may repeat what somebody typed in the wrong place: of tokens no more than their kind is left. */
export function withoutTokens(text: string): string {
  return text.replaceAll(/\bsp_(agent|enroll|session|key)_\w+/g, 'sp_$1_…');
}

/** As JSON, of which a terminal obeys nothing: what it would is escaped, and the value is the same. */
export function jsonText(value: unknown, indent?: number): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, indent).replaceAll(
    /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => character.split('').map(escaped).join(''),
  );
}
