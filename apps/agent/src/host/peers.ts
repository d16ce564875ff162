import type { Socket } from 'node:net';
import { z } from 'zod';
import { libc, type Peer } from './libc.ts';

/** Node tells the descriptor of a connection by its handle alone. */
const withDescriptor = z.object({ _handle: z.object({ fd: z.int().min(0) }) });

let told: boolean | undefined;

/** Whether this host says which program is at the other end of a unix socket. */
export function arePeersTold(): boolean {
  return (told ??= libc()?.tellsPeers() ?? false);
}

/** Who is at the other end of a connection that has just come over a unix socket; undefined where that is not told. */
export function peerOf(socket: Socket): Peer | undefined {
  if (!arePeersTold()) return undefined;
  const { data } = withDescriptor.safeParse(socket);
  return data && libc()?.peerOf(data._handle.fd);
}
