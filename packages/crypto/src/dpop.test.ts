import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { EmbeddedJWK, jwtVerify, SignJWT, type JWTHeaderParameters } from 'jose';
import { newSigningKey } from '../test/signing-keys.ts';
import { DPOP_WINDOW_SECONDS, signDpopProof, verifyDpopProof, type DpopRequest } from './dpop.ts';
import { CLOCK_TOLERANCE_SECONDS } from './jwt.ts';
import { generateSigningJwk, importSigningKey, type SigningKey } from './signing-key.ts';

const nowMs = Date.UTC(2030, 0, 1);
const request = {
  method: 'POST',
  url: 'https://cp.example:9443/agent/v1/pull',
  accessToken: 'header.claims.signature',
} satisfies DpopRequest;
const invalid = { name: 'CryptoError', code: 'jwt.invalid' };

describe('proofs of possession', () => {
  let agent: SigningKey;
  beforeAll(async () => {
    agent = await newSigningKey();
  });
  const verifying = async (proof: string, for_: DpopRequest = request, atMs = nowMs) =>
    verifyDpopProof(proof, for_, agent.thumbprint, atMs);

  test('the holder of the bound key passes, with an id to accept once', async () => {
    const first = await verifying(signDpopProof(agent, request, nowMs));
    const second = await verifying(signDpopProof(agent, request, nowMs));
    expect(first.jti).not.toBe(second.jti);
  });

  test('[AX-19] one for a request without an access token passes there, and neither takes the place of the other', async () => {
    const { method, url } = request;
    const entering = signDpopProof(agent, { method, url }, nowMs);
    await expect(verifying(entering, { method, url })).resolves.toMatchObject({
      jti: expect.any(String),
    });
    await expect(verifying(entering)).rejects.toMatchObject(invalid);
    const within = signDpopProof(agent, request, nowMs);
    await expect(verifying(within, { method, url })).rejects.toMatchObject(invalid);
  });

  test.each([
    ['another method', { method: 'GET' }],
    ['the method in lower case', { method: 'post' }],
    ['another path', { url: 'https://cp.example:9443/agent/v1/session' }],
    ['another host', { url: 'https://evil.example:9443/agent/v1/pull' }],
    ['another access token', { accessToken: 'header.claims.signaturf' }],
  ])('a proof for %s is refused', async (_, changes) => {
    const proof = signDpopProof(agent, request, nowMs);
    await expect(verifying(proof, { ...request, ...changes })).rejects.toMatchObject(invalid);
  });

  test('a proof of which one bit is another is refused, wherever it is, also one that ASCII does not know', async () => {
    const proof = signDpopProof(agent, request, nowMs);
    const [header = '', payload = ''] = proof.split('.');
    const signatureAt = header.length + payload.length + 2;
    for (const at of [0, header.length + 1, signatureAt, proof.length - 10]) {
      const letter = String.fromCharCode(proof.charCodeAt(at) | 0x80);
      const changed = proof.slice(0, at) + letter + proof.slice(at + 1);
      await expect(verifying(changed)).rejects.toMatchObject(invalid);
    }
  });

  test('a proof made with another key than the token is bound to is refused', async () => {
    const proof = signDpopProof(await newSigningKey(), request, nowMs);
    await expect(verifying(proof)).rejects.toMatchObject({
      ...invalid,
      message: 'it is made with another key than the access token is bound to',
    });
  });

  test('a proof that shows the bound key and is signed by another is refused', async () => {
    const impostor = { ...(await newSigningKey()), publicJwk: agent.publicJwk };
    await expect(verifying(signDpopProof(impostor, request, nowMs))).rejects.toMatchObject(invalid);
  });

  test('[F-08] a proof is accepted for exactly its window, then old, and before that not yet valid', async () => {
    const proof = signDpopProof(agent, request, nowMs);
    const firstMs = nowMs - CLOCK_TOLERANCE_SECONDS * 1000;
    const endMs = firstMs + DPOP_WINDOW_SECONDS * 1000;
    for (const atMs of [firstMs, endMs - 1])
      await expect(verifying(proof, request, atMs)).resolves.toBeDefined();
    await expect(verifying(proof, request, firstMs - 1)).rejects.toMatchObject({
      code: 'jwt.not_yet_valid',
    });
    await expect(verifying(proof, request, endMs)).rejects.toMatchObject({ code: 'jwt.expired' });
  });

  const usual = {
    jti: 'once',
    htm: request.method,
    htu: request.url,
    iat: nowMs / 1000,
    ath: createHash('sha256').update(request.accessToken).digest('base64url'),
  };
  const signedWith = (header: Omit<JWTHeaderParameters, 'alg'>, changes = {}) =>
    new SignJWT({ ...usual, ...changes })
      .setProtectedHeader({ alg: 'EdDSA', ...header })
      .sign(agent.privateKey);
  const signed = (changes: Record<string, unknown>) =>
    signedWith({ typ: 'dpop+jwt', jwk: agent.publicJwk }, changes);

  test('a proof is one that the library accepts too', async () => {
    const proof = signDpopProof(agent, request, nowMs);
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['EdDSA'],
      currentDate: new Date(nowMs),
    });
    expect(payload).toEqual({ ...usual, jti: expect.any(String) });
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'dpop+jwt', jwk: agent.publicJwk });
  });

  test('the claims of the table below, signed by the library, are accepted when none of them is changed', async () => {
    await expect(verifying(await signed({}))).resolves.toEqual({ jti: 'once' });
  });

  test.each([
    ['no id', { jti: undefined }],
    ['an empty id', { jti: '' }],
    ['an id that is no text', { jti: ['once'] }],
    ['an id too long to keep', { jti: 'x'.repeat(65) }],
    ['an id with NUL, which Postgres does not keep', { jti: '\0' }],
    ['an id with a line end', { jti: 'once\n' }],
    ['an id beyond ASCII', { jti: 'ü' }],
    ['no access token', { ath: undefined }],
    ['no time', { iat: undefined }],
    ['a time that is no number', { iat: '2030-01-01' }],
    ['a claim that nobody heeds', { exp: nowMs / 1000 - 3600 }],
  ])('a proof with %s is refused', async (_, changes) => {
    await expect(verifying(await signed(changes))).rejects.toMatchObject(invalid);
  });

  test('a proof of another type, or without a key, is refused', async () => {
    const jwk = agent.publicJwk;
    for (const header of [{ typ: 'JWT', jwk }, { typ: 'dpop+jwt' }, { jwk }])
      await expect(verifying(await signedWith(header))).rejects.toMatchObject(invalid);
    await expect(verifying('not a proof')).rejects.toMatchObject(invalid);
    await expect(verifying('')).rejects.toMatchObject(invalid);
  });

  test('[AX-20] a proof that carries the private key is refused', async () => {
    const jwk = await generateSigningJwk();
    const key = importSigningKey(jwk);
    const proof = await new SignJWT(usual)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'dpop+jwt', jwk })
      .sign(key.privateKey);
    await expect(async () =>
      verifyDpopProof(proof, request, key.thumbprint, nowMs),
    ).rejects.toMatchObject(invalid);
  });

  test('a proof by HMAC with the public key is refused', async () => {
    const proof = await new SignJWT(usual)
      .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk: agent.publicJwk })
      .sign(Buffer.from(agent.publicJwk.x, 'base64url'));
    await expect(verifying(proof)).rejects.toMatchObject(invalid);
  });
});
