import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { newSigningKey } from '../test/signing-keys.ts';
import { DPOP_WINDOW_SECONDS, signDpopProof, verifyDpopProof, type DpopRequest } from './dpop.ts';
import { CLOCK_TOLERANCE_SECONDS, signJwt } from './jwt.ts';
import { generateSigningJwk, importSigningKey, type SigningKey } from './signing-key.ts';

const nowMs = Date.UTC(2030, 0, 1);
const request: DpopRequest = {
  method: 'POST',
  url: 'https://cp.example:9443/agent/v1/pull',
  accessToken: 'header.claims.signature',
};
const invalid = { name: 'CryptoError', code: 'jwt.invalid' };

describe('proofs of possession', () => {
  let agent: SigningKey;
  beforeAll(async () => {
    agent = await newSigningKey();
  });
  const verifying = (proof: string, for_ = request, atMs = nowMs) =>
    verifyDpopProof(proof, for_, agent.thumbprint, atMs);

  test('the holder of the bound key passes, with an id to accept once', async () => {
    const first = await verifying(await signDpopProof(agent, request, nowMs));
    const second = await verifying(await signDpopProof(agent, request, nowMs));
    expect(first.jti).not.toBe(second.jti);
  });

  test.each([
    ['another method', { method: 'GET' }],
    ['the method in lower case', { method: 'post' }],
    ['another path', { url: 'https://cp.example:9443/agent/v1/session' }],
    ['another host', { url: 'https://evil.example:9443/agent/v1/pull' }],
    ['another access token', { accessToken: 'header.claims.signaturf' }],
  ])('a proof for %s is refused', async (_, changes) => {
    const proof = await signDpopProof(agent, request, nowMs);
    await expect(verifying(proof, { ...request, ...changes })).rejects.toMatchObject(invalid);
  });

  test('a proof made with another key than the token is bound to is refused', async () => {
    const proof = await signDpopProof(await newSigningKey(), request, nowMs);
    await expect(verifying(proof)).rejects.toMatchObject(invalid);
  });

  test('a proof that shows the bound key and is signed by another is refused', async () => {
    const impostor = { ...(await newSigningKey()), publicJwk: agent.publicJwk };
    await expect(verifying(await signDpopProof(impostor, request, nowMs))).rejects.toMatchObject(
      invalid,
    );
  });

  test('[F-08] a proof is accepted for exactly its window, then old, and before that not yet valid', async () => {
    const proof = await signDpopProof(agent, request, nowMs);
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
  const signed = (changes: Record<string, unknown>, typ = 'dpop+jwt') =>
    signJwt(agent, typ, { ...usual, ...changes }, { jwk: agent.publicJwk });

  test('the claims of the table below are accepted when none of them is changed', async () => {
    await expect(verifying(await signed({}))).resolves.toEqual({ jti: 'once' });
  });

  test.each([
    ['no id', { jti: undefined }],
    ['an empty id', { jti: '' }],
    ['an id that is no text', { jti: ['once'] }],
    ['an id too long to keep', { jti: 'x'.repeat(65) }],
    ['no access token', { ath: undefined }],
    ['no time', { iat: undefined }],
    ['a time that is no number', { iat: '2030-01-01' }],
  ])('a proof with %s is refused', async (_, changes) => {
    await expect(verifying(await signed(changes))).rejects.toMatchObject(invalid);
  });

  test('a proof of another type, or without a key, is refused', async () => {
    await expect(verifying(await signed({}, 'JWT'))).rejects.toMatchObject(invalid);
    await expect(verifying(await signJwt(agent, 'dpop+jwt', usual))).rejects.toMatchObject(invalid);
    await expect(verifying('not a proof')).rejects.toMatchObject(invalid);
  });

  test('[AX-20] a proof that carries the private key is refused', async () => {
    const jwk = await generateSigningJwk();
    const key = await importSigningKey(jwk);
    const proof = await new SignJWT(usual)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'dpop+jwt', jwk })
      .sign(key.privateKey);
    await expect(verifyDpopProof(proof, request, key.thumbprint, nowMs)).rejects.toMatchObject(
      invalid,
    );
  });

  test('a proof by HMAC with the public key is refused', async () => {
    const proof = await new SignJWT(usual)
      .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk: agent.publicJwk })
      .sign(Buffer.from(agent.publicJwk.x, 'base64url'));
    await expect(verifying(proof)).rejects.toMatchObject(invalid);
  });
});
