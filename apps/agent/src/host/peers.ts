import type { Socket } from 'node:net';
import { descriptorOf } from './descriptor.ts';
import { libc, type Peer } from './libc.ts';

let told: boolean | undefined;

/** Whether this host says which program is at the other end of a unix socket. */
export function arePeersTold(): boolean {
  return (told ??= libc()?.tellsPeers() ?? false);
}

/** Who is at the other end of a connection that has just come over a unix socket; undefined where that is not told. */
export function peerOf(socket: Socket): Peer | undefined {
  if (!arePeersTold()) return undefined;
  const descriptor = descriptorOf(socket);
  return descriptor === undefined ? undefined : libc()?.peerOf(descriptor);
}
