import { AgentError } from '../agent-error.ts';

const CHAIN = Buffer.from('{"chain":"');
const KEY = Buffer.from('","key":"');
const END = Buffer.from('"}');
const BACKSLASH = 0x5c;
const LETTER_N = 0x6e;
const LINE_END = 0x0a;

/**
 * A certificate's private key, then its chain, in PEM: one file of both, as servers read it. The value is the
 * JSON of `CertificateValue`; it is taken apart as bytes, since copies in strings could not be zeroed.
 *
 * @throws AgentError `certificate.unreadable`
 */
export function keyAndChain(value: Buffer): Buffer {
  const middle = value.indexOf(KEY);
  const isWhole =
    value.subarray(0, CHAIN.byteLength).equals(CHAIN) &&
    value.subarray(-END.byteLength).equals(END);
  if (!isWhole || middle < 0) throw unreadable();
  const chain = value.subarray(CHAIN.byteLength, middle);
  const key = value.subarray(middle + KEY.byteLength, -END.byteLength);
  const pem = Buffer.alloc(key.byteLength + chain.byteLength);
  const length = copyUnescaped(chain, pem, copyUnescaped(key, pem, 0));
  return pem.subarray(0, length);
}

/** Copies the inside of a JSON string of PEM, in which nothing but line ends is escaped. Returns where it ends. */
function copyUnescaped(text: Buffer, into: Buffer, start: number): number {
  let end = start;
  for (let at = 0; at < text.byteLength; at += 1) {
    const isEscape = text[at] === BACKSLASH;
    if (isEscape && text[at + 1] !== LETTER_N) throw unreadable();
    into[end++] = isEscape ? LINE_END : (text[at] ?? 0);
    if (isEscape) at += 1;
  }
  return end;
}

function unreadable(): AgentError {
  return new AgentError(
    'certificate.unreadable',
    'the certificate is not in a form that this version knows',
    { advice: 'upgrade the agent' },
  );
}
