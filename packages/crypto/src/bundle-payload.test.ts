import { describe, expect, test } from '@jest/globals';
import type { BundleManifest } from '@sallyport/contract';
import fc from 'fast-check';
import { decodeBundlePayload, encodeBundlePayload, type BundlePayload } from './bundle-payload.ts';

const malformed = expect.objectContaining({ name: 'CryptoError', code: 'bundle.malformed' });
const kind = fc.constantFrom('secret' as const, 'plugin' as const);
const payloads: fc.Arbitrary<BundlePayload> = fc
  .array(
    fc.record({
      kind,
      name: fc.stringMatching(/^[a-z]{1,8}$/),
      value: fc.uint8Array({ maxLength: 40 }),
    }),
    { maxLength: 6 },
  )
  .map((items) => payloadOf(items));

function payloadOf(
  items: { kind: 'secret' | 'plugin'; name: string; value: Uint8Array }[],
): BundlePayload {
  const manifest: BundleManifest = {
    part: 'durable',
    group: '01890a5d-ac96-774b-bcce-b302099a8057',
    revision: 7,
    epoch: 2,
    issuedAt: '2030-01-01T00:00:00.000Z',
    hasLive: false,
    entries: items.map(({ kind, name, value }) => ({
      kind,
      name,
      version: 1,
      length: value.byteLength,
    })),
  };
  return { manifest, values: items.map(({ value }) => value) };
}

function withManifest(manifest: string): Buffer {
  const bytes = Buffer.from(manifest);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.byteLength);
  return Buffer.concat([length, bytes]);
}

describe('bundle payloads', () => {
  test('any values come back byte for byte, empty and binary ones too', () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        const decoded = decodeBundlePayload(encodeBundlePayload(payload));
        expect(decoded.manifest).toEqual(payload.manifest);
        expect(decoded.values.map((value) => Buffer.from(value))).toEqual(
          payload.values.map((value) => Buffer.from(value)),
        );
      }),
    );
  });

  test('the values are views, so that zeroing the payload zeroes them', () => {
    const bytes = encodeBundlePayload(
      payloadOf([{ kind: 'secret', name: 'a', value: Buffer.from('value') }]),
    );
    const { values } = decodeBundlePayload(bytes);
    bytes.fill(0);
    expect(values).toEqual([Buffer.alloc(5)]);
  });

  test('a payload that lies inside a larger buffer is read alone', () => {
    const payload = payloadOf([{ kind: 'plugin', name: 'a', value: Buffer.of(1, 2, 3) }]);
    const bytes = encodeBundlePayload(payload);
    const around = Buffer.concat([Buffer.alloc(3, 9), bytes, Buffer.alloc(3, 9)]);
    expect(decodeBundlePayload(around.subarray(3, 3 + bytes.byteLength))).toEqual(
      decodeBundlePayload(bytes),
    );
  });

  test('a payload that was cut anywhere is refused', () => {
    fc.assert(
      fc.property(payloads, fc.nat(), (payload, seed) => {
        const bytes = encodeBundlePayload(payload);
        expect(() => decodeBundlePayload(bytes.subarray(0, seed % bytes.byteLength))).toThrow(
          malformed,
        );
      }),
    );
  });

  test('a payload with bytes after it is refused', () => {
    fc.assert(
      fc.property(payloads, fc.uint8Array({ minLength: 1, maxLength: 8 }), (payload, more) => {
        expect(() =>
          decodeBundlePayload(Buffer.concat([encodeBundlePayload(payload), more])),
        ).toThrow(malformed);
      }),
    );
  });

  test('any other bytes are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) =>
        expect(() => decodeBundlePayload(bytes)).toThrow(malformed),
      ),
    );
  });

  const { manifest } = payloadOf([]);
  const entry = { kind: 'secret', name: 'a', version: 1, length: 0 };

  test('a manifest after its length in four bytes is read', () => {
    const bytes = withManifest(JSON.stringify({ ...manifest, entries: [entry] }));
    expect(decodeBundlePayload(bytes).manifest).toEqual({ ...manifest, entries: [entry] });
  });

  test.each([
    ['that is no JSON', '{'],
    ['that is no object', '[]'],
    ['with an unknown field', JSON.stringify({ ...manifest, extra: 1 })],
    ['of revision 0', JSON.stringify({ ...manifest, revision: 0 })],
    [
      'of another kind of entry',
      JSON.stringify({ ...manifest, entries: [{ ...entry, kind: 'lease' }] }),
    ],
    [
      'with a negative length',
      JSON.stringify({ ...manifest, entries: [{ ...entry, length: -1 }] }),
    ],
    [
      'with lengths that cancel out',
      JSON.stringify({
        ...manifest,
        entries: [
          { ...entry, length: 5 },
          { ...entry, length: -5 },
        ],
      }),
    ],
    [
      'with a path for a name',
      JSON.stringify({ ...manifest, entries: [{ ...entry, name: '../etc/passwd' }] }),
    ],
  ])('a manifest %s is refused', (_, text) => {
    expect(() => decodeBundlePayload(withManifest(text))).toThrow(malformed);
  });
});
