import { readTokenFile } from '../files/token-file.ts';

/**
 * What the agent shows to a provider, as its file holds it now: whoever rotates it only puts another in its place.
 *
 * @throws AgentError `token_file.unusable`, `token_file.unsafe`
 */
export function readCredential(path: string): Promise<string> {
  return readTokenFile(path, {
    pattern: /^[\x21-\x7e]+$/,
    called: 'credential of printable characters without spaces',
    advice: 'put it there; it is read again by itself',
    sharedInMemory: true,
  });
}
