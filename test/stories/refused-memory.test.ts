import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sealBundlePart } from '@sallyport/crypto/bundle';
import {
  generateDeliveryKey,
  sealDeliveryKey,
  type DeliveryKey,
} from '@sallyport/crypto/delivery-key';
import { generateEncryptionJwk, importEncryptionPublicKey } from '@sallyport/crypto/encryption-key';
import { seal } from '@sallyport/crypto/envelope';
import { sealLeaseValue } from '@sallyport/crypto/lease-value';
import {
  generateSigningJwk,
  importSigningKey,
  type SigningKey,
} from '@sallyport/crypto/signing-key';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { makeCanary, type Canary } from '../fixtures/canaries.ts';
import { findInMemory, whyNoMemory } from '../fixtures/process-memory.ts';

const GROUP = '01890a5d-ac96-774b-bcce-b302099a8057';
const OTHER = '01890a5d-ac96-774b-bcce-b302099a8058';
const PLACE = { table: 't', row: 'r', field: 'f', group: 'g', keyVersion: 1 };

const moduleOf = (name: string) =>
  new URL(`../../packages/crypto/src/${name}.ts`, import.meta.url).href;

/** Opens what it is given, prints the code of each refusal, and stays. */
const OPENER = `
import { text } from 'node:stream/consumers';
import { openBundlePart } from '${moduleOf('bundle')}';
import { openDeliveryKey } from '${moduleOf('delivery-key')}';
import { importEncryptionKey } from '${moduleOf('encryption-key')}';
import { open } from '${moduleOf('envelope')}';
import { openLeaseValue } from '${moduleOf('lease-value')}';
import { importVerificationKey } from '${moduleOf('signing-key')}';
const given = JSON.parse(await text(process.stdin));
const keyring = new Map([[given.kid, importVerificationKey(given.publicJwk)]]);
const delivery = { group: '${GROUP}', epoch: 1, key: Buffer.from(given.key, 'hex') };
const { privateKey } = await importEncryptionKey(given.agent);
const attempts = [
  ...given.parts.map((part) => async () => openBundlePart(part, 'durable', delivery, keyring)),
  async () => open(delivery.key, Buffer.from(given.envelope, 'hex'), ${JSON.stringify(PLACE)}),
  async () => openDeliveryKey(given.deliveryKey, privateKey, delivery.group),
  async () => openLeaseValue(given.lease, privateKey, delivery.group),
];
const codes = [];
for (const attempt of attempts) codes.push(await attempt().then(() => 'none', ({ code }) => code));
console.log(\`refused: \${codes.join(' ')}\`);
setInterval(() => {}, 1e6);`;

let signer: SigningKey;
let stranger: SigningKey;
let delivery: DeliveryKey;
beforeAll(async () => {
  signer = importSigningKey(await generateSigningJwk());
  stranger = importSigningKey(await generateSigningJwk());
  delivery = generateDeliveryKey(GROUP, 1);
});
afterAll(() => expectNoLeftovers());

/** A canary in the middle: an allocator writes over the ends of what is given back to it. */
const inside = ({ bytes }: Canary) => Buffer.concat([Buffer.alloc(200), bytes, Buffer.alloc(200)]);

async function partOf(canary: Canary, part: 'durable' | 'live', by = signer): Promise<string> {
  const value = inside(canary);
  const entry = { kind: 'secret' as const, name: 'a', version: 1, length: value.byteLength };
  const issuedAt = new Date().toISOString();
  const numbers = { group: GROUP, revision: 1, epoch: 1 };
  const manifest = { part, ...numbers, issuedAt, hasLive: false, entries: [entry] };
  return sealBundlePart({ manifest, values: [value] }, by, delivery);
}

/** The same with another tag: it is decrypted before that is seen. */
const changed = (jwe: string) =>
  `${jwe.slice(0, -4)}${jwe.at(-4) === 'A' ? 'B' : 'A'}${jwe.slice(-3)}`;

function changedEnvelope(canary: Canary): string {
  const envelope = Buffer.from(seal(delivery.key, inside(canary), PLACE));
  envelope[20] = (envelope[20] ?? 0) ^ 1;
  return envelope.toString('hex');
}

const why = whyNoMemory();
(why === undefined ? test : test.skip)(
  titleOrLeftOut(
    '[SG-33] the memory of a program holds nothing of what it opened and refused',
    why,
  ),
  async () => {
    const tag = makeCanary('what has another tag');
    const signature = makeCanary('what somebody else signed');
    // Several: the memory of one may be written over by chance.
    const parts = [1, 2, 3, 4, 5].map((index) => makeCanary(`another part ${index}`));
    const envelope = makeCanary('a changed envelope');
    const lease = makeCanary('another lease');
    const others = generateDeliveryKey(OTHER, 1);
    const agent = await generateEncryptionJwk();
    const recipient = await importEncryptionPublicKey({ kty: 'OKP', crv: 'X25519', x: agent.x });
    const given = {
      kid: signer.thumbprint,
      publicJwk: signer.publicJwk,
      key: Buffer.from(delivery.key).toString('hex'),
      agent,
      parts: [
        changed(await partOf(tag, 'durable')),
        await partOf(signature, 'durable', stranger),
        ...(await Promise.all(parts.map((part) => partOf(part, 'live')))),
      ],
      envelope: changedEnvelope(envelope),
      deliveryKey: await sealDeliveryKey(others, recipient),
      lease: await sealLeaseValue(OTHER, inside(lease), recipient),
    };
    const command = [process.execPath, '--input-type=module', '--eval', OPENER];
    const program = startProcess({ command, input: JSON.stringify(given) });
    const [codes] = await program.waitForLine(/^refused: .*$/);
    expect(codes).toBe(
      `refused: bundle.unreadable bundle.unsigned${' bundle.wrong_part'.repeat(5)} envelope.unreadable delivery_key.unreadable lease.unreadable`,
    );
    const key = { name: 'the key of another group', bytes: Buffer.from(others.key) };
    const looked = [tag, signature, ...parts, envelope, lease, key];
    expect(findInMemory(looked, program.pid)).toEqual([]);
    await program.stop();
  },
);
