import { randomUUID, type KeyObject } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { newSigningKey } from '../test/signing-keys.ts';
import {
  ASSERTION_TTL_SECONDS,
  signAssertion,
  signEnrollmentProof,
  verifyAssertion,
  verifyEnrollmentProof,
} from './assertion.ts';
import {
  generateEncryptionJwk,
  importEncryptionKey,
  type EncryptionKey,
} from './encryption-key.ts';
import { CLOCK_TOLERANCE_SECONDS, signJwt } from './jwt.ts';
import { importVerificationKey, type SigningKey } from './signing-key.ts';

const agentId = '01890a5d-ac96-774b-bcce-b302099a8057';
const nowMs = Date.UTC(2030, 0, 1);
const now = nowMs / 1000;
const audience = 'urn:sallyport:agent-api';

describe('assertions', () => {
  let agent: SigningKey;
  let agentPublic: KeyObject;
  beforeAll(async () => {
    agent = await newSigningKey();
    agentPublic = importVerificationKey(agent.publicJwk);
  });
  const verifying = (jwt: string, atMs = nowMs) => verifyAssertion(jwt, agentId, agentPublic, atMs);
  const usual = {
    iss: agentId,
    sub: agentId,
    aud: audience,
    iat: now,
    nbf: now,
    exp: now + 60,
    jti: 'once',
  };
  const signed = (claims: Record<string, unknown>, typ = 'sallyport-assertion+jwt') =>
    signJwt(agent, typ, { ...usual, ...claims });

  test('[AX-19] an agent’s own assertion is accepted, and has an id to accept once', async () => {
    const first = await verifying(await signAssertion(agent, agentId, nowMs));
    const second = await verifying(await signAssertion(agent, agentId, nowMs));
    expect(first.jti).not.toBe(second.jti);
  });

  test('[AX-19] until the instant it must be remembered for, and no longer, it is accepted', async () => {
    const jwt = await signAssertion(agent, agentId, nowMs);
    const { expiresAtMs } = await verifying(jwt);
    expect(expiresAtMs).toBe(nowMs + (ASSERTION_TTL_SECONDS + CLOCK_TOLERANCE_SECONDS) * 1000);
    await expect(verifying(jwt, expiresAtMs - 1)).resolves.toMatchObject({ expiresAtMs });
    await expect(verifying(jwt, expiresAtMs)).rejects.toMatchObject({ code: 'jwt.expired' });
  });

  test('[F-08] a clock that is ahead by more than the tolerance is told from a forged assertion', async () => {
    const aheadMs = nowMs + CLOCK_TOLERANCE_SECONDS * 1000;
    await expect(verifying(await signAssertion(agent, agentId, aheadMs))).resolves.toBeDefined();
    const jwt = await signAssertion(agent, agentId, aheadMs + 1000);
    await expect(verifying(jwt)).rejects.toMatchObject({ code: 'jwt.not_yet_valid' });
  });

  test('the claims of the table below are accepted when none of them is changed', async () => {
    await expect(verifying(await signed({}))).resolves.toMatchObject({ jti: 'once' });
  });

  test.each([
    ['[AX-19] another audience', { aud: 'urn:sallyport:operator-api' }],
    ['another issuer', { iss: randomUUID() }],
    ['another subject', { sub: randomUUID() }],
    ['no issuer', { iss: undefined }],
    ['no id', { jti: undefined }],
    ['an empty id', { jti: '' }],
    ['an id that is no text', { jti: { length: 1 } }],
    ['an id too long to keep', { jti: 'x'.repeat(65) }],
    ['an id with NUL, which Postgres does not keep', { jti: '\0' }],
    ['an id with a line end', { jti: 'once\n' }],
    ['an id beyond ASCII', { jti: 'ü' }],
    ['no end', { exp: undefined }],
    ['no beginning', { nbf: undefined }],
    ['a beginning that is no number', { nbf: 'now' }],
    ['a life of more than a minute', { exp: now + 61 }],
    ['a life that began long ago', { nbf: now - 3600 }],
  ])('with %s it is refused', async (_, claims) => {
    await expect(verifying(await signed(claims))).rejects.toMatchObject({ code: 'jwt.invalid' });
  });

  test.each(['sallyport-enroll+jwt', 'at+jwt', 'JWT'])('of type %s it is refused', async (typ) => {
    await expect(verifying(await signed({}, typ))).rejects.toMatchObject({ code: 'jwt.invalid' });
  });

  test('signed by another key, by none, or by an HMAC with the public key it is refused', async () => {
    const header = { typ: 'sallyport-assertion+jwt', kid: agent.thumbprint };
    const segments = [{ ...header, alg: 'none' }, usual].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    );
    const forged = [
      await signAssertion(await newSigningKey(), agentId, nowMs),
      `${segments.join('.')}.`,
      await new SignJWT(usual)
        .setProtectedHeader({ ...header, alg: 'HS256' })
        .sign(Buffer.from(agent.publicJwk.x, 'base64url')),
      '',
      'a.b.c',
    ];
    for (const jwt of forged)
      await expect(verifying(jwt)).rejects.toMatchObject({ code: 'jwt.invalid' });
  });
});

describe('enrollment proofs', () => {
  const token = 'sp_enroll_one';
  let agent: SigningKey;
  let encryption: EncryptionKey;
  beforeAll(async () => {
    agent = await newSigningKey();
    encryption = await importEncryptionKey(await generateEncryptionJwk());
  });

  async function claim() {
    const proof = await signEnrollmentProof(agent, token, encryption.publicJwk, nowMs);
    return { proof, signingKey: agent.publicJwk, encryptionKey: encryption.publicJwk, token };
  }

  test('a proof of both keys and the token is accepted, and does not carry the token', async () => {
    const made = await claim();
    await expect(verifyEnrollmentProof(made, nowMs)).resolves.toBeUndefined();
    expect(Buffer.from(made.proof.split('.')[1] ?? '', 'base64url').toString()).not.toContain(
      token,
    );
  });

  test('for another token it is refused', async () => {
    const other = { ...(await claim()), token: 'sp_enroll_two' };
    await expect(verifyEnrollmentProof(other, nowMs)).rejects.toMatchObject({
      code: 'jwt.invalid',
    });
  });

  test('[AX-21] for a signing key whose private half did not make it, it is refused', async () => {
    const other = { ...(await claim()), signingKey: (await newSigningKey()).publicJwk };
    await expect(verifyEnrollmentProof(other, nowMs)).rejects.toMatchObject({
      code: 'jwt.invalid',
    });
  });

  test('for another encryption key it is refused', async () => {
    const { publicJwk } = await importEncryptionKey(await generateEncryptionJwk());
    const other = { ...(await claim()), encryptionKey: publicJwk };
    await expect(verifyEnrollmentProof(other, nowMs)).rejects.toMatchObject({
      code: 'jwt.invalid',
    });
  });

  test('an assertion does not pass for one', async () => {
    const other = { ...(await claim()), proof: await signAssertion(agent, agentId, nowMs) };
    await expect(verifyEnrollmentProof(other, nowMs)).rejects.toMatchObject({
      code: 'jwt.invalid',
    });
  });

  test('[F-08] with a clock ten minutes off it is refused by name', async () => {
    const made = await claim();
    await expect(verifyEnrollmentProof(made, nowMs + 600_000)).rejects.toMatchObject({
      code: 'jwt.expired',
    });
    await expect(verifyEnrollmentProof(made, nowMs - 600_000)).rejects.toMatchObject({
      code: 'jwt.not_yet_valid',
    });
  });
});
