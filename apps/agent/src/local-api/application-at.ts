import type { Application } from '@sallyport/contract';
import type { Peer } from '../host/libc.ts';

/** The program at the other end, as far as it is known: over TCP, and where the host does not tell, by its place alone. */
export function applicationAt(place: string, peer: Peer | undefined): Application {
  const { pid, uid, gid } = peer ?? { pid: null, uid: null, gid: null };
  return { listener: place, pid, uid, gid };
}
