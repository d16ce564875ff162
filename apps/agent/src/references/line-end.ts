import { MAX_SECRET_BYTES } from '@sallyport/contract';

/** Of the largest secret, with its line end. */
export const MOST_BYTES = MAX_SECRET_BYTES + 2;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Text as editors and commands write it ends in a line end that belongs to no value. */
export function withoutLineEnd(text: Buffer): Buffer {
  if (text.at(-1) !== LINE_FEED) return text;
  return text.subarray(0, text.at(-2) === CARRIAGE_RETURN ? -2 : -1);
}
