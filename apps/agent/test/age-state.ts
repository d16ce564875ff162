import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeHighWater, deriveHighWaterKey, encodeHighWater } from '../src/state/high-water.ts';
import type { Enrolled } from './harness.ts';

/** Makes what an agent has on disk so much older, as if it had been off the network for that long. */
export async function ageState({ stateDir, identity }: Enrolled, byMs: number): Promise<void> {
  const path = join(stateDir, 'high-water.json');
  const { signingKey, agentId } = identity;
  const key = deriveHighWaterKey(Buffer.from(signingKey.d, 'base64url'), agentId);
  const mark = decodeHighWater(await readFile(path), key);
  if (mark === undefined) throw new Error('the agent has kept nothing yet');
  await writeFile(path, encodeHighWater({ ...mark, contactAtMs: mark.contactAtMs - byMs }, key));
}
