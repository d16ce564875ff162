/**
 * A buffer of zeros of which `fill(0)` leaves nothing. One of up to 64 bytes that is made otherwise begins in
 * V8's own heap, which copies it when the garbage is collected, and once its `buffer` is asked for, as by `subarray`.
 */
export function zeroable(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}
