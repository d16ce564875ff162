import { counted } from '@sallyport/contract';
import { offsetInWords } from '../link/server-clock.ts';
import type { LinkReport } from '../link/verify.ts';
import { certificateWarnings, clockWarning, weaknesses } from '../link/warnings.ts';
import { Blocked, failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

/** TCP, and the way through the proxy. */
export async function connection(host: Host): Promise<Found> {
  const report = await host.openLink();
  const { proxy, address } = report.way;
  const way = proxy === null ? 'directly' : `through ${proxy}`;
  const to = address === null ? '' : ` at ${address}`;
  if (isReached(report)) return ok(`${report.controlPlane}${to} is reached ${way}`);
  return failed(report.failure?.message ?? `${report.controlPlane} is not reached`);
}

/** The handshake, whom it was with, and that a control plane answers behind it. */
export async function tls(host: Host): Promise<Found[]> {
  const report = await reached(host);
  const { negotiated, failure } = report;
  if (failure !== null) return [failed(failure.message)];
  const { protocol = '', cipher = '', group = 'no group' } = negotiated ?? {};
  return [
    ok(`verified; ${protocol}, ${cipher}, ${group}`),
    ...weaknesses(report).map((text) => warning(text)),
  ];
}

/** How long the chain lasts. */
export async function certificates(host: Host): Promise<Found[]> {
  const report = await reached(host);
  const [own] = report.certificates;
  if (own === undefined) throw new Blocked('TLS');
  const ending = certificateWarnings(report).map((text) => warning(text));
  if (ending.length > 0) return ending;
  return [ok(`${own.fingerprint}, ${counted(own.daysLeft, 'day')} left`)];
}

export async function clock(host: Host): Promise<Found> {
  const { clockOffsetMilliseconds: offsetMs } = await reached(host);
  if (offsetMs === null) throw new Blocked('TLS');
  const off = clockWarning(offsetMs);
  if (off === undefined) return ok(`this host’s clock is ${offsetInWords(offsetMs)}`);
  return off.isFollowed ? warning(off.text) : failed(off.text);
}

async function reached(host: Host): Promise<LinkReport> {
  const report = await host.openLink().catch(() => undefined);
  if (report === undefined || !isReached(report)) throw new Blocked('the connection');
  return report;
}

/** What goes wrong with TLS goes wrong at the end of a connection that stands. */
function isReached({ failure, negotiated }: LinkReport): boolean {
  return failure === null || negotiated !== null || failure.code.startsWith('tls.');
}
