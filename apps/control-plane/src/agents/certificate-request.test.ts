import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';
import { readCertificateRequest } from './certificate-request.ts';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const ID = 'spiffe://sallyport/group/plant-7/agent/01890a5d-ac96-774b-bcce-b302099a8057';
const san = (...names: x509.JsonGeneralName[]) => new x509.SubjectAlternativeNameExtension(names);
const uri = (value: string) => ({ type: 'url', value }) as const;
const invalid = { code: 'csr.invalid' };

let keys: webcrypto.CryptoKeyPair;
beforeAll(async () => {
  keys = await keysOf(P256);
});

async function keysOf(
  algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams,
): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function requestWith(
  wishes: Partial<x509.Pkcs10CertificateRequestCreateParams> = {},
): Promise<string> {
  const params = { keys, signingAlgorithm: P256, ...wishes };
  return (await x509.Pkcs10CertificateRequestGenerator.create(params)).toString('base64');
}

describe('a certificate request', () => {
  test('for a key alone is taken, as the agent makes it', async () => {
    const { csr } = await createCertificateRequest();
    expect((await readCertificateRequest(csr)).thumbprint).toMatch(/^[\w-]{43}$/);
  });

  test('may name the agent’s SPIFFE ID', async () => {
    const csr = await requestWith({ extensions: [san(uri(ID))] });
    expect(await readCertificateRequest(csr, ID)).toMatchObject({ thumbprint: expect.any(String) });
  });

  const ca = new x509.BasicConstraintsExtension(true, 0, true);
  const none = new x509.BasicConstraintsExtension(false);
  const signer = new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign);
  const server = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]);
  const dns = { type: 'dns', value: 'control-plane.test' } as const;
  test.each<[string, Partial<x509.Pkcs10CertificateRequestCreateParams>]>([
    ['another agent’s SPIFFE ID', { extensions: [san(uri(`${ID.slice(0, -1)}8`))] }],
    ['its SPIFFE ID and a host name', { extensions: [san(uri(ID), dns)] }],
    ['a host name', { extensions: [san(dns)] }],
    ['its SPIFFE ID twice', { extensions: [san(uri(ID), uri(ID))] }],
    ['no name, in a list of names', { extensions: [san()] }],
    ['the rights of a CA', { extensions: [san(uri(ID)), ca] }],
    ['no rights of a CA, which it need not say', { extensions: [none] }],
    ['the right to sign certificates', { extensions: [signer] }],
    ['a purpose', { extensions: [server] }],
    ['a subject', { name: 'CN=control-plane.test' }],
    ['a password', { attributes: [new x509.ChallengePasswordAttribute('secret')] }],
  ])('[F-23] that asks for %s is refused', async (_, wishes) => {
    const csr = await requestWith(wishes);
    await expect(readCertificateRequest(csr, ID)).rejects.toMatchObject(invalid);
  });

  test('[F-23] for a SPIFFE ID is refused where none is known yet', async () => {
    const csr = await requestWith({ extensions: [san(uri(ID))] });
    await expect(readCertificateRequest(csr)).rejects.toMatchObject(invalid);
  });

  test.each([
    ['RSA of 1,024 bits', { name: 'RSASSA-PKCS1-v1_5', modulusLength: 1024 }, 'SHA-256'],
    ['a signature over SHA-1', { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048 }, 'SHA-1'],
  ])('[F-23] with %s is refused', async (_, key, hash) => {
    const algorithm = { ...key, publicExponent: Uint8Array.of(1, 0, 1), hash };
    const csr = await requestWith({ keys: await keysOf(algorithm), signingAlgorithm: algorithm });
    await expect(readCertificateRequest(csr)).rejects.toMatchObject(invalid);
  });

  test('with RSA of 2,048 bits and SHA-256 is taken', async () => {
    const algorithm = {
      name: 'RSASSA-PKCS1-v1_5',
      modulusLength: 2048,
      publicExponent: Uint8Array.of(1, 0, 1),
      hash: 'SHA-256',
    };
    const csr = await requestWith({ keys: await keysOf(algorithm), signingAlgorithm: algorithm });
    await expect(readCertificateRequest(csr)).resolves.toBeDefined();
  });

  test('is refused without proof of possession: signed by another key, or with a bit flipped in anything that is signed', async () => {
    const { privateKey } = await keysOf(P256);
    const foreign = await requestWith({ keys: { publicKey: keys.publicKey, privateKey } });
    await expect(readCertificateRequest(foreign)).rejects.toMatchObject(invalid);
    const good = Buffer.from((await createCertificateRequest()).csr, 'base64');
    // The certificationRequestInfo, behind three bytes of header.
    for (let at = 3; at < 3 + 2 + good.readUInt8(4); at += 1) {
      const bad = Buffer.from(good);
      bad.writeUInt8(bad.readUInt8(at) ^ 0x01, at);
      await expect(readCertificateRequest(bad.toString('base64'))).rejects.toMatchObject(invalid);
    }
  });

  test.each(['', 'AAAA', 'MAA=', 'not base64 at all'])('%j is refused', async (text) => {
    await expect(readCertificateRequest(text)).rejects.toMatchObject(invalid);
  });
});
