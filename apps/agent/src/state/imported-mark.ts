import { z } from 'zod';
import type { StateView } from './state-directory.ts';
import { isVouchedFor, jsonOf, vouchFor } from './vouched.ts';

/**
 * What was imported last: nothing older is taken again. `expiresAtMs` is null once the control plane was reached, which
 * vouches for the values from then on. `newestMs` is the latest time that this host is known to have seen.
 */
export type ImportedMark = {
  revision: number;
  issuedAtMs: number;
  expiresAtMs: number | null;
  newestMs: number;
};

const file = z.strictObject({
  format: z.literal(1),
  revision: z.int().min(1),
  issuedAtMs: z.int().min(0),
  expiresAtMs: z.int().min(0).nullable(),
  newestMs: z.int().min(0),
  mac: z.base64url(),
});

/** `key` is that of the high-water mark: the two are told apart by their first line. */
export function encodeImportedMark(mark: ImportedMark, key: Uint8Array): string {
  return JSON.stringify({ format: 1, ...mark, mac: vouchFor(textOf(mark), key) });
}

/**
 * Undefined when there is none. One that this agent did not write lets nothing be served that was imported before.
 *
 * @throws AgentError `state.unsafe`, `state.unusable`
 */
export async function readImportedMark(
  state: StateView,
  key: Uint8Array,
): Promise<ImportedMark | 'forged' | undefined> {
  const bytes = await state.read('imported.json');
  return bytes && (decode(bytes, key) ?? 'forged');
}

function decode(bytes: Buffer, key: Uint8Array): ImportedMark | undefined {
  const parsed = file.safeParse(jsonOf(bytes));
  if (!parsed.success) return undefined;
  const { format: _format, mac, ...mark } = parsed.data;
  return isVouchedFor(textOf(mark), mac, key) ? mark : undefined;
}

function textOf({ revision, issuedAtMs, expiresAtMs, newestMs }: ImportedMark): string {
  return ['imported 1', revision, issuedAtMs, expiresAtMs ?? '', newestMs].join('\n');
}
