import { z } from 'zod';

/** By what the control plane is known, whichever side dials: see `assertNamed`. */
export const peerName = z
  .string()
  .min(1)
  .max(1_024)
  .regex(
    /^(?!key:)|^key:[\w-]{43}$/,
    'after key: give the SHA-256 of the public key in base64url, 43 characters',
  );

export const peerNameDescription =
  'Name that the control plane’s certificate must have: a URI, a host name, an IP address, or key: and the SHA-256 of its public key in base64url';
