import { counted, jsonText, printable } from '@sallyport/contract';
import type { ShownCertificate } from '@sallyport/tls/link-probe';
import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { exitCodes } from '../exit-codes.ts';
import { openOwnStores } from '../link/own-stores.ts';
import { offsetInWords } from '../link/server-clock.ts';
import { verifyLink, type LinkReport } from '../link/verify.ts';
import { warningsOf } from '../link/warnings.ts';
import { listens } from '../listen-settings.ts';
import { viewIdentity } from '../state/view-identity.ts';
import type { CliContext } from './context.ts';
import { reportInJson, reportNotice } from './report-failure.ts';
import { waitingFor } from './waiting-for.ts';

/** `link verify`: what the link to the control plane is like, and what would fail. Returns the exit code. */
export async function showLink(
  flags: ConfigFlags & { json?: boolean },
  { env, stdout, stderr }: CliContext,
): Promise<number> {
  const { config } = readAgentConfig(flags, env);
  if (listens(config.listen))
    throw new AgentError('usage.invalid', 'this agent listens, and the control plane dials it', {
      advice: 'ask the control plane: sallyport link show',
    });
  const stores = await openOwnStores(config);
  const viewed = await viewIdentity(config, stores);
  const verified = verifyLink({ ...viewed, stores, config, clock: systemClock });
  const report = await waitingFor('trying connections to the control plane', { stderr }, verified);
  const warnings = warningsOf(report);
  stdout.write(
    flags.json === true
      ? `${jsonText({ ...report, warnings })}\n`
      : `${[...linesOf(report), ...warnings.map((text) => line('warning', text))].map(printable).join('\n')}\n`,
  );
  if (report.failure === null) return exitCodes.ok;
  if (flags.json === true) reportInJson(report.failure, { stderr });
  else reportNotice(report.failure.message, { stderr });
  return exitCodes.linkBad;
}

function linesOf(report: LinkReport): string[] {
  const { negotiated, certificates, clockOffsetMilliseconds: offsetMs, offers, agent } = report;
  const named = (accepted: boolean | null) =>
    offers.filter((offer) => offer.accepted === accepted).map(({ name }) => name);
  return [
    line('control plane', report.controlPlane),
    line('way', wayOf(report.way)),
    ...trustOf(report.trust).map((text) => line('trusted', text)),
    line('agent key', `thumbprint ${agent.keyThumbprint}`),
    line('agent cert', agent.certificateFingerprint ?? 'none'),
    ...(negotiated === null
      ? []
      : [
          line('protocol', negotiated.protocol),
          line('suite', negotiated.cipher),
          line('group', negotiated.group ?? 'none, keys are exchanged under RSA'),
        ]),
    ...certificates.map((each, index) =>
      line(index === 0 ? 'certificate' : 'issued by', certificateOf(each)),
    ),
    ...(offsetMs === null ? [] : [line('clock', offsetInWords(offsetMs))]),
    ...listOf('takes', named(true)),
    ...listOf('would fail', named(false)),
    ...listOf('not known', named(null)),
  ];
}

function wayOf({ proxy, address }: LinkReport['way']): string {
  const to = address === null ? '' : ` to the address ${address}`;
  return proxy === null ? `directly${to}` : `through the proxy ${proxy}${to}`;
}

function trustOf({ from, fingerprints }: LinkReport['trust']): string[] {
  if (from === 'system') return ['every CA that this host trusts'];
  const source = from === 'file' ? 'controlPlane.truststore' : 'the enrolment';
  return fingerprints.map((fingerprint) => `${fingerprint}, from ${source}`);
}

function certificateOf({ subject, fingerprint, notBefore, notAfter, daysLeft }: ShownCertificate) {
  return `${subject} ${fingerprint}, ${notBefore} to ${notAfter}, ${counted(daysLeft, 'day')} left`;
}

function listOf(name: string, items: string[]): string[] {
  return items.length === 0 ? [] : [line(name, items.join(' '))];
}

function line(name: string, text: string): string {
  return `${name.padEnd(15)}${text}`;
}
