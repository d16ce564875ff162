import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { AcceptedConnections, type AcceptOptions } from '../src/accepted-connections.ts';
import { dialAgent, diallingContext, type DialOptions } from '../src/dial-agent.ts';
import { HttpsLink } from '../src/https-link.ts';
import type { LinkError } from '../src/link-error.ts';
import { CONTROL_PLANE_NAME } from '../src/peer-certificate.ts';
import { defaultTlsPolicy } from '../src/policy.ts';
import { Issuer, type IssuedLeaf, type LeafOptions } from './issuer.ts';

export const organisation = await Issuer.root('CN=Organisation');
export const localNames = [
  { type: 'dns', value: 'localhost' },
  { type: 'ip', value: '127.0.0.1' },
] satisfies LeafOptions['names'];
export const controlPlaneNames = [
  { type: 'url', value: CONTROL_PLANE_NAME },
] satisfies LeafOptions['names'];

/** A certificate of the organisation's CA for an agent, and one for the control plane. */
export const agentLeaf = await organisation.leaf({ names: localNames, usages: ['serverAuth'] });
export const clientOptions = {
  names: controlPlaneNames,
  usages: ['clientAuth'],
} satisfies LeafOptions;
export const controlPlaneLeaf = await organisation.leaf(clientOptions);

export const credentials = ({ chain, key }: IssuedLeaf) => ({ cert: chain, key });

/** An agent that listens, and the link by which it asks. */
export type ListeningAgent = AsyncDisposable & {
  accepted: AcceptedConnections;
  link: HttpsLink;
  refused: LinkError[];
  /** Resolves with the next one that is refused. */
  nextRefused: () => Promise<LinkError>;
};

export async function listeningAgent(
  options: Partial<AcceptOptions> & { leaf?: IssuedLeaf; ca?: string } = {},
): Promise<ListeningAgent> {
  const { leaf = agentLeaf, ca = organisation.rootPem, ...rest } = options;
  const refused: LinkError[] = [];
  let heard = Promise.withResolvers<LinkError>();
  const accepted = await AcceptedConnections.listen({
    host: '127.0.0.1',
    port: 0,
    identity: { ...credentials(leaf), ca },
    controlPlaneName: CONTROL_PLANE_NAME,
    tls: defaultTlsPolicy,
    onRefused: (error) => {
      refused.push(error);
      heard.resolve(error);
      heard = Promise.withResolvers();
    },
    ...rest,
  });
  const link = new HttpsLink({
    baseUrl: 'https://control-plane.invalid',
    accepted: accepted.agent,
    timeoutMs: 5_000,
  });
  return {
    accepted,
    link,
    refused,
    nextRefused: () => heard.promise,
    async [Symbol.asyncDispose]() {
      link.close();
      accepted.close();
    },
  };
}

/** The control plane's side: an HTTPS server that gets the connections that it dials. */
export type DiallingServer = AsyncDisposable & {
  server: Server;
  /** Opens a connection; it is the server's from its first byte on. */
  dial: (
    options?: Partial<DialOptions> & { leaf?: IssuedLeaf; ca?: string[] },
  ) => Promise<TLSSocket>;
};

export async function diallingServer(
  port: number,
  listener: RequestListener = (request, response) => void response.end(`answer to ${request.url}`),
): Promise<DiallingServer> {
  const server = createServer(credentials(controlPlaneLeaf), listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const open = new Set<TLSSocket>();
  return {
    server,
    async dial({ leaf = controlPlaneLeaf, ca = [organisation.rootPem], ...options } = {}) {
      const identity = { ...credentials(leaf), ca };
      const socket = await dialAgent({
        host: '127.0.0.1',
        port,
        secureContext: diallingContext(identity, defaultTlsPolicy),
        fingerprint: undefined,
        timeoutMs: 5_000,
        signal: new AbortController().signal,
        ...options,
      });
      open.add(socket);
      socket.on('error', () => {});
      socket.once('readable', () => server.emit('secureConnection', socket));
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
