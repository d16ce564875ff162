import type { JoinedGroup } from '@sallyport/contract';
import { signDpopProof } from '@sallyport/crypto/dpop';
import { parseEndpoint } from '@sallyport/tls/endpoint';
import type { LinkReply } from '@sallyport/tls/https-link';
import type { Identity } from '../state/identity.ts';
import { call, type Call, type Link } from './call.ts';
import type { ServerClock } from './server-clock.ts';

/**
 * An access token, which is shown with a proof by the agent's key (`DPoP`, RFC 9449) or over a connection made with
 * the agent's certificate (`Bearer`, RFC 8705). `openedWith` tells one agent token or certificate from another;
 * undefined for the key alone.
 */
export type Access = {
  token: string;
  scheme: 'DPoP' | 'Bearer';
  renewAtMs: number;
  expiresAtMs: number;
  openedWith: string | undefined;
  /** The group that the agent was in by then, as far as the control plane told. */
  group: JoinedGroup | undefined;
};

export type AccessParts = {
  identity: Pick<Identity, 'controlPlane' | 'signingKey'>;
  link: Pick<Link, 'request'>;
  serverClock: ServerClock;
};

/** One request in the agent's name. */
export async function callWith(
  { token, scheme }: Access,
  { identity, link, serverClock }: AccessParts,
  request: Call,
): Promise<LinkReply> {
  const authorization = `${scheme} ${token}`;
  if (scheme === 'Bearer')
    return call(link, serverClock, { ...request, headers: { authorization } });
  const url = urlOf(identity, request.path);
  const proof = { method: request.method, url, accessToken: token };
  const dpop = signDpopProof(identity.signingKey, proof, serverClock.now());
  return call(link, serverClock, { ...request, headers: { authorization, dpop } });
}

/** As a proof names it (RFC 9449, section 4.2): as the request does, in whichever way the control plane's URL was typed. */
export function urlOf({ controlPlane }: Pick<Identity, 'controlPlane'>, path: string): string {
  const { origin, prefix } = parseEndpoint(controlPlane);
  return origin + prefix + path;
}
