import { durableBundle } from './bundle.ts';
import { clientCertificate } from './client-certificate.ts';
import { certificateFiles, files } from './files.ts';
import { foundOf, type Found } from './finding.ts';
import type { Host } from './host.ts';
import { certificates, clock, connection, tls } from './link.ts';
import { localSocket, programSockets } from './local-socket.ts';
import { memory, programs } from './memory.ts';
import { nameResolution } from './name.ts';
import { references } from './references.ts';
import { identity, runningAgent, stateDirectory } from './state.ts';

type Check = (host: Host) => Promise<Found | Found[]>;

/** In the order in which one fault explains the next. */
export const checks: readonly (readonly [name: string, check: Check])[] = [
  ['state directory', stateDirectory],
  ['identity', identity],
  ['client certificate', clientCertificate],
  ['running agent', runningAgent],
  ['files', files],
  ['certificate files', certificateFiles],
  ['references', references],
  ['name resolution', nameResolution],
  ['connection', connection],
  ['tls', tls],
  ['certificates', certificates],
  ['clock', clock],
  ['durable bundle', durableBundle],
  ['local socket', localSocket],
  ['program sockets', programSockets],
  ['programs', programs],
  ['memory', memory],
];

export type Finding = Found & { check: string };

/** Runs every check, one after the other, whatever the ones before found. Changes nothing. */
export async function examine(host: Host): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, check] of checks) {
    const found = await check(host).catch(foundOf);
    findings.push(...[found].flat().map((each) => ({ check: name, ...each })));
  }
  return findings;
}
