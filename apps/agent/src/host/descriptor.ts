import type { Readable } from 'node:stream';
import { z } from 'zod';

/** Node tells the descriptor of a connection by its handle alone. */
const withDescriptor = z.object({ _handle: z.object({ fd: z.int().min(0) }) });

/** The descriptor of a connection, or of an end of one; undefined where it is closed. */
export function descriptorOf(stream: Readable): number | undefined {
  return withDescriptor.safeParse(stream).data?._handle.fd;
}
