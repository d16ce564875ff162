import type { KeyObject } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { keyringOf, newSigningKey } from '../test/signing-keys.ts';
import { ACCESS_TOKEN_TTL_SECONDS, issueAccessToken, verifyAccessToken } from './access-token.ts';
import { CLOCK_TOLERANCE_SECONDS, signJwt } from './jwt.ts';
import type { SigningKey } from './signing-key.ts';

const nowMs = Date.UTC(2030, 0, 1);
const now = nowMs / 1000;
const agentId = '01890a5d-ac96-774b-bcce-b302099a8057';
const groupId = '01890a5d-ac96-774b-bcce-b302099a8058';
const keyThumbprint = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k';
const claims = { agentId, groupId, cnf: { jkt: keyThumbprint }, method: 'key' as const };
const invalid = { name: 'CryptoError', code: 'jwt.invalid' };

describe('access tokens', () => {
  let issuer: SigningKey;
  let keyring: Map<string, KeyObject>;
  beforeAll(async () => {
    issuer = await newSigningKey();
    keyring = keyringOf(await newSigningKey(), issuer);
  });

  test('say who the session is, under any key of the issuer', async () => {
    const token = issueAccessToken(issuer, claims, nowMs);
    const expiresAtMs = nowMs + ACCESS_TOKEN_TTL_SECONDS * 1000;
    expect(await verifyAccessToken(token, keyring, nowMs)).toEqual({ ...claims, expiresAtMs });
    const whole = { ...claims, agentName: 'edge-1', tokenId: agentId, generation: 'digest' };
    const withAll = issueAccessToken(issuer, whole, nowMs);
    expect(await verifyAccessToken(withAll, keyring, nowMs)).toEqual({ ...whole, expiresAtMs });
  });

  test('[SG-23] are bound to a certificate as well as to a key', async () => {
    const bound = { ...claims, cnf: { 'x5t#S256': keyThumbprint }, method: 'certificate' as const };
    const token = issueAccessToken(issuer, bound, nowMs);
    expect(await verifyAccessToken(token, keyring, nowMs)).toMatchObject(bound);
  });

  test('are refused once they have expired', async () => {
    const token = issueAccessToken(issuer, claims, nowMs);
    const endMs = nowMs + (ACCESS_TOKEN_TTL_SECONDS + CLOCK_TOLERANCE_SECONDS) * 1000;
    await expect(verifyAccessToken(token, keyring, endMs - 1)).resolves.toMatchObject(claims);
    await expect(verifyAccessToken(token, keyring, endMs)).rejects.toMatchObject({
      code: 'jwt.expired',
    });
  });

  test('of another issuer are refused, also under the name of a known key', async () => {
    const stranger = await newSigningKey();
    for (const impostor of [stranger, { ...stranger, thumbprint: issuer.thumbprint }]) {
      const token = issueAccessToken(impostor, claims, nowMs);
      await expect(verifyAccessToken(token, keyring, nowMs)).rejects.toMatchObject(invalid);
    }
  });

  test('of a key that is not known are told from what is no token', async () => {
    const token = issueAccessToken(await newSigningKey(), claims, nowMs);
    await expect(verifyAccessToken(token, keyring, nowMs)).rejects.toThrow(
      'it is not signed by this control plane',
    );
    await expect(verifyAccessToken('a', keyring, nowMs)).rejects.toThrow('it is not a JWT');
  });

  test('are refused with any character of header or claims changed, or cut', async () => {
    const token = issueAccessToken(issuer, claims, nowMs);
    const signedLength = token.lastIndexOf('.');
    for (let at = 0; at < signedLength; at += 1) {
      const edited = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      await expect(verifyAccessToken(edited, keyring, nowMs)).rejects.toMatchObject(invalid);
      await expect(verifyAccessToken(token.slice(0, at), keyring, nowMs)).rejects.toMatchObject(
        invalid,
      );
    }
  });

  const usual = {
    sub: agentId,
    group: groupId,
    aud: 'urn:sallyport:agent-api',
    exp: now + 900,
    cnf: { jkt: keyThumbprint },
  };
  const signed = (changes: Record<string, unknown>) =>
    signJwt(issuer, 'at+jwt', { ...usual, ...changes });

  test('the claims of the table below are accepted when none of them is changed', async () => {
    const token = await signed({});
    await expect(verifyAccessToken(token, keyring, nowMs)).resolves.toMatchObject(claims);
  });

  test.each([
    ['another audience', { aud: 'urn:sallyport:operator-api' }],
    ['no agent', { sub: undefined }],
    ['an agent that is no UUID', { sub: 'root' }],
    ['no group', { group: undefined }],
    ['a group that is no UUID', { group: 7 }],
    ['no key', { cnf: undefined }],
    ['a key that is no thumbprint', { cnf: { jkt: 7 } }],
    ['a confirmation that is no object', { cnf: null }],
    ['two confirmations', { cnf: { jkt: keyThumbprint, 'x5t#S256': keyThumbprint } }],
    ['no end', { exp: undefined }],
    ['a way of opening that nobody knows', { method: 'guess' }],
    ['an agent token that is no UUID', { token: 'root' }],
  ])('with %s are refused', async (_, changes) => {
    const token = await signed(changes);
    await expect(verifyAccessToken(token, keyring, nowMs)).rejects.toMatchObject(invalid);
  });

  test('are not to be confused with other things the same key signs', async () => {
    const token = await signJwt(issuer, 'sallyport-assertion+jwt', usual);
    await expect(verifyAccessToken(token, keyring, nowMs)).rejects.toMatchObject({
      ...invalid,
      message: 'its typ is not the expected one',
    });
  });
});
