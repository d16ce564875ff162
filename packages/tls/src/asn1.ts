import {
  Constructed,
  fromBER,
  Integer,
  ObjectIdentifier,
  OctetString,
  Primitive,
  Sequence,
  type AsnType,
  type BaseBlock,
} from 'asn1js';

/** More than any certificate or key file needs, the largest truststore among them; what goes beyond is made to cost time or memory. */
const LIMITS = {
  maxDepth: 32,
  maxNodes: 8_192,
  maxContentLength: 1_048_576,
  parseEmbedded: false,
};
const CONTEXT_CLASS = 3;

type Node = BaseBlock | AsnType | undefined;

/** What is read is not what it should be. */
export class Asn1Error extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Asn1Error';
  }
}

/** One value in BER, without anything after it. @throws Asn1Error */
export function readAsn1(bytes: Uint8Array): Node {
  const { offset, result } = fromBER(bytes, LIMITS);
  if (offset !== bytes.byteLength) throw new Asn1Error('not one value in BER');
  return result;
}

/** The elements of a SEQUENCE. @throws Asn1Error */
export function sequenceOf(node: Node): BaseBlock[] {
  if (!(node instanceof Sequence)) throw new Asn1Error('no SEQUENCE');
  return node.valueBlock.value;
}

/** @throws Asn1Error */
export function oidOf(node: Node): string {
  if (!(node instanceof ObjectIdentifier)) throw new Asn1Error('no OBJECT IDENTIFIER');
  return node.getValue();
}

/** A whole number of at most 32 bits. @throws Asn1Error */
export function numberOf(node: Node): number {
  if (!(node instanceof Integer) || node.valueBlock.valueHexView.byteLength > 5)
    throw new Asn1Error('no INTEGER of at most 32 bits');
  return Number(node.toBigInt());
}

/** @throws Asn1Error */
export function octetsOf(node: Node): Buffer {
  if (!(node instanceof OctetString)) throw new Asn1Error('no OCTET STRING');
  return Buffer.from(node.getValue());
}

/** What is explicitly tagged `[tag]`. @throws Asn1Error */
export function taggedOf(node: Node, tag: number): BaseBlock | undefined {
  if (!(node instanceof Constructed) || !hasTag(node, tag)) throw new Asn1Error(`no [${tag}]`);
  return node.valueBlock.value[0];
}

/** An OCTET STRING implicitly tagged `[tag]`, in one piece or, as BER allows, in several. @throws Asn1Error */
export function taggedOctetsOf(node: Node, tag: number): Buffer {
  if (node instanceof Primitive && hasTag(node, tag))
    return Buffer.from(node.valueBlock.valueHexView);
  if (node instanceof Constructed && hasTag(node, tag))
    return Buffer.concat(node.valueBlock.value.map(octetsOf));
  throw new Asn1Error(`no [${tag}]`);
}

/** The bytes of a value, its tag and length included. */
export function wholeOf(node: Node): Uint8Array {
  return node?.valueBeforeDecodeView ?? new Uint8Array();
}

function hasTag(node: Constructed | Primitive, tag: number): boolean {
  return node.idBlock.tagClass === CONTEXT_CLASS && node.idBlock.tagNumber === tag;
}
