import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

const ATTEMPT_MS = 2_000;

/**
 * Has every address of a name be tried for long enough that a slow line answers. Node gives all but the last half a
 * second, and then gives them up: a host with two addresses, of which the first is slow and the second dead, would
 * never be reached. Called by each program before it connects.
 */
export function allowSlowLines(): void {
  setDefaultAutoSelectFamilyAttemptTimeout(ATTEMPT_MS);
}
