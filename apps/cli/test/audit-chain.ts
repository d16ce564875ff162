import { generateKeyPairSync } from 'node:crypto';
import { chainEvents, GENESIS } from '@sallyport/crypto/audit-chain';
import { formatVerifierKey, signCheckpoint } from '@sallyport/crypto/checkpoint';

export const id = '01890a5d-ac96-774b-bcce-b302099a8057';
export const at = '2030-01-01T00:00:00.000Z';
export const event = {
  id,
  at,
  actor: { kind: 'operator', id, name: 'ann' },
  action: 'secret:reveal',
  subject: 'secret:db',
  groupId: null,
  outcome: 'done',
  address: '192.0.2.1',
  requestId: id,
  details: { version: 2 },
};
export const events = Array.from({ length: 9 }, (_, index) => ({
  ...event,
  requestId: `r-${index}`,
}));
export const links = chainEvents(GENESIS, events);
export const head = links[8] ?? GENESIS;
const keys = generateKeyPairSync('ed25519');
export const signer = { name: 'sallyport.audit/1', privateKey: keys.privateKey };
export const checkpoint = signCheckpoint(signer, head);
export const key = formatVerifierKey({ name: signer.name, publicKey: keys.publicKey });

export const base = { base: { ...GENESIS, checkpoint: null } };
export const text = (lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
export const whole = text([base, ...links]);
