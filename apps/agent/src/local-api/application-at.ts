import type { Application } from '@sallyport/contract';

/** The program at the other end, as far as it is known. */
export function applicationAt(place: string): Application {
  return { listener: place, pid: null, uid: null, gid: null };
}
