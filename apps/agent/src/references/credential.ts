import { readTokenFile } from '../files/token-file.ts';

/** What a header can carry: also of what a provider gives in return, as it is shown in one. */
export const CREDENTIAL = /^[\x21-\x7e]+$/;

/**
 * What the agent shows to a provider, as its file holds it now: whoever rotates it only puts another in its place.
 *
 * @throws AgentError `token_file.unusable`, `token_file.unsafe`
 */
export function readCredential(path: string): Promise<string> {
  return readTokenFile(path, {
    pattern: CREDENTIAL,
    called: 'credential of printable characters without spaces',
    advice: 'put it there; it is read again by itself',
    sharedInMemory: true,
  });
}
