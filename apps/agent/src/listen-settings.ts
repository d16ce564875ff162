import { secret } from '@sallyport/config/fields';
import { linkAddress, splitAddress } from '@sallyport/contract';
import { CONTROL_PLANE_NAME } from '@sallyport/tls/peer-certificate';
import { tlsSettings } from '@sallyport/tls/settings';
import { storeSettings } from '@sallyport/tls/store-settings';
import { z } from 'zod';
import { peerNameDescription, peerName } from './peer-name.ts';

const what = 'Link from the control plane';
const variables = 'SALLYPORT_AGENT_LISTEN';

/** How the agent is dialled, where only connections to it are allowed. */
export const listenSettings = z.strictObject({
  address: linkAddress.optional().meta({
    env: `${variables}_ADDRESS`,
    description:
      'host:port to listen on for the control plane, such as 0.0.0.0:9444; unset: the agent dials the control plane',
  }),
  hosts: z
    .array(z.string().refine(isHost, 'use host names and IP addresses, without ports'))
    .min(1)
    .optional()
    .meta({
      env: `${variables}_HOSTS`,
      description:
        'Host names and addresses that the control plane dials, for the certificate that the agent makes for itself; unset: that of listen.address, or the name of this host',
    }),
  controlPlaneName: peerName
    .default(CONTROL_PLANE_NAME)
    .meta({ env: `${variables}_CONTROL_PLANE_NAME`, description: peerNameDescription }),
  keystore: storeSettings('keystore', {
    what,
    variables: `${variables}_KEYSTORE`,
    password: secret(),
  }).prefault({}),
  truststore: storeSettings('truststore', {
    what,
    variables: `${variables}_TRUSTSTORE`,
    password: secret(),
  }).prefault({}),
  tls: tlsSettings(what, `${variables}_TLS`).prefault({}),
});

export type ListenSettings = z.output<typeof listenSettings>;
/** Of an agent that listens. */
export type ListenConfig = ListenSettings & { address: string };

export function listens(settings: ListenSettings): settings is ListenConfig {
  return settings.address !== undefined;
}

function isHost(text: string): boolean {
  const address = text.includes(':') ? `[${text}]:1` : `${text}:1`;
  return linkAddress.safeParse(address).success;
}

const ANY_ADDRESS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** The names of the certificate that the agent makes for itself. */
export function ownHosts(
  { address, hosts }: Pick<ListenConfig, 'address' | 'hosts'>,
  hostname: string,
): string[] {
  if (hosts !== undefined) return hosts.map((host) => host.toLowerCase());
  const { host } = splitAddress(address);
  return [ANY_ADDRESS.has(host) ? hostname.toLowerCase() : host];
}
