import { createHash, generateKeyPair, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { promisify } from 'node:util';
import {
  BitString,
  Boolean as Asn1Boolean,
  Constructed,
  GeneralizedTime,
  Integer,
  ObjectIdentifier,
  OctetString,
  Primitive,
  Sequence,
  Set as Asn1Set,
  UTCTime,
  Utf8String,
  type AsnType,
} from 'asn1js';
import { readAsn1, sequenceOf } from './asn1.ts';

const newKeyPair = promisify(generateKeyPair);
const DAY_MS = 24 * 60 * 60 * 1000;
const LIFE_DAYS = 3_650;
/** Certificates start a little in the past, for clocks that are behind. */
const BACKDATE_MS = 60 * 60 * 1000;
const UTC_TIME_ENDS = 2_050;

const oids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};
/** Context-specific tags of a GeneralName (RFC 5280, section 4.2.1.6). */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

/**
 * Makes a key (P-256, PKCS#8) and its self-signed certificate (RFC 5280) for a TLS server of these host names
 * and addresses: PEM both, good for ten years, EKU serverAuth alone, no CA.
 */
export async function makeSelfSigned(
  hosts: readonly string[],
  nowMs: number,
): Promise<{ cert: string; key: string }> {
  const { publicKey, privateKey } = await newKeyPair('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  const body = certificateBody({ publicKey, algorithm, hosts, nowMs });
  const signature = sign('sha256', Buffer.from(body.toBER()), privateKey);
  const certificate = sequence(body, algorithm, new BitString({ valueHex: bytesOf(signature) }));
  return {
    cert: pemOf(Buffer.from(certificate.toBER())),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}

type Body = { publicKey: KeyObject; algorithm: Sequence; hosts: readonly string[]; nowMs: number };

function certificateBody({ publicKey, algorithm, hosts, nowMs }: Body): Sequence {
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const name = sequence(
    new Asn1Set({
      value: [sequence(oid(oids.commonName), new Utf8String({ value: 'Sallyport agent' }))],
    }),
  );
  return sequence(
    tagged(0, new Integer({ value: 2 })),
    new Integer({ valueHex: bytesOf(serial()) }),
    algorithm,
    name,
    sequence(timeOf(nowMs - BACKDATE_MS), timeOf(nowMs + LIFE_DAYS * DAY_MS)),
    name,
    sequenceFrom(spki),
    tagged(
      3,
      sequence(
        extension(oids.basicConstraints, sequence(), true),
        // digitalSignature, the first of the nine bits.
        extension(
          oids.keyUsage,
          new BitString({ valueHex: bytesOf(Buffer.from([0x80])), unusedBits: 7 }),
          true,
        ),
        extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth))),
        extension(oids.subjectAltName, sequence(...hosts.map(generalName))),
        extension(
          oids.subjectKeyIdentifier,
          new OctetString({ valueHex: bytesOf(createHash('sha1').update(spki).digest()) }),
        ),
      ),
    ),
  );
}

function extension(id: string, value: AsnType, critical = false): Sequence {
  return sequence(
    oid(id),
    ...(critical ? [new Asn1Boolean({ value: true })] : []),
    new OctetString({ valueHex: value.toBER() }),
  );
}

function generalName(host: string): Primitive {
  const [tagNumber, bytes] =
    isIP(host) === 0 ? [DNS_NAME, Buffer.from(host, 'ascii')] : [IP_ADDRESS, addressBytes(host)];
  return new Primitive({ idBlock: { tagClass: 3, tagNumber }, valueHex: bytesOf(bytes) });
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // As RFC 5952 writes it, an IPv4 part in hexadecimal too.
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  const gap = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: gap }, () => '0'), ...groups(tail)];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function timeOf(atMs: number): UTCTime | GeneralizedTime {
  const valueDate = new Date(Math.floor(atMs / 1000) * 1000);
  return valueDate.getUTCFullYear() < UTC_TIME_ENDS
    ? new UTCTime({ valueDate })
    : new GeneralizedTime({ valueDate });
}

/** 127 random bits, positive (RFC 5280, section 4.1.2.2). */
function serial(): Buffer {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x01, 0);
  return bytes;
}

function sequence(...value: AsnType[]): Sequence {
  return new Sequence({ value });
}

function sequenceFrom(der: Buffer): Sequence {
  return new Sequence({ value: sequenceOf(readAsn1(der)) });
}

function tagged(tagNumber: number, value: AsnType): Constructed {
  return new Constructed({ idBlock: { tagClass: 3, tagNumber }, value: [value] });
}

function oid(value: string): ObjectIdentifier {
  return new ObjectIdentifier({ value });
}

function bytesOf(buffer: Buffer): ArrayBuffer {
  return Uint8Array.from(buffer).buffer;
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
