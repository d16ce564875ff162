import type { TLSSocket } from 'node:tls';
import { isWeakSuite } from './cipher-suites.ts';
import { certificateFingerprint } from './fingerprint.ts';

export type Negotiated = {
  /** As Node names it: `TLSv1.3`. */
  protocol: string;
  /** By its IANA name. */
  cipher: string;
  /** Null where keys were exchanged under RSA. */
  group: string | null;
  isWeak: boolean;
};

/** Of a connection that was opened here. */
export function negotiatedOn(socket: TLSSocket): Negotiated {
  const key = socket.getEphemeralKeyInfo();
  const cipher = socket.getCipher().standardName;
  return {
    protocol: socket.getProtocol() ?? '',
    cipher,
    group: (key && 'name' in key ? key.name : undefined) ?? null,
    isWeak: isWeakSuite(cipher),
  };
}

/** Of both sides’ certificates, as people compare them; null for a side that showed none. */
export function fingerprintsOn(socket: TLSSocket): { own: string | null; peer: string | null } {
  const [own, peer] = [socket.getX509Certificate(), socket.getPeerX509Certificate()];
  return {
    own: own === undefined ? null : certificateFingerprint(own),
    peer: peer === undefined ? null : certificateFingerprint(peer),
  };
}
