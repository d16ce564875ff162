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
