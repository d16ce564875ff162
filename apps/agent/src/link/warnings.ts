import { MOST_CORRECTED_MS, offsetInWords } from './server-clock.ts';
import type { LinkReport } from './verify.ts';

/** The control plane takes a proof that is this much off; by more, the agent makes it by the control plane’s clock. */
const TOLERATED_MS = 60_000;

/** What works today and would fail next, or is weak, one sentence each with the way out. */
export function warningsOf(report: LinkReport): string[] {
  return [...clockWarnings(report), ...certificateWarnings(report), ...weaknesses(report)];
}

/** Undefined while both clocks agree as far as the control plane asks. `isFollowed`: the agent makes up for it. */
export function clockWarning(offsetMs: number): { text: string; isFollowed: boolean } | undefined {
  if (Math.abs(offsetMs) < TOLERATED_MS) return undefined;
  const isFollowed = Math.abs(offsetMs) <= MOST_CORRECTED_MS;
  const effect = isFollowed
    ? 'the agent makes up for that, and certificates may still look not yet valid, or expired'
    : 'the agent follows no more than a day';
  const text = `this host’s clock is ${offsetInWords(offsetMs)}: ${effect}; set it, best by NTP`;
  return { text, isFollowed };
}

function clockWarnings({ clockOffsetMilliseconds: offsetMs }: LinkReport): string[] {
  const warning = offsetMs === null ? undefined : clockWarning(offsetMs);
  return warning === undefined ? [] : [warning.text];
}

export function certificateWarnings({ certificates }: LinkReport): string[] {
  return certificates
    .filter(({ isEnding }) => isEnding)
    .map(
      ({ subject, notAfter }) =>
        `the certificate ${subject} ends at ${notAfter}; the link fails then, unless it is renewed`,
    );
}

export function weaknesses({ negotiated, offers }: LinkReport): string[] {
  const weak = offers.filter(({ isWeak, accepted }) => isWeak && accepted === true);
  const names = weak.map(({ name }) => name).join(', ');
  return [
    ...(negotiated?.isWeak === true
      ? [`the link uses the weak suite ${negotiated.cipher}; see controlPlane.tls`]
      : []),
    ...(names === '' ? [] : [`both sides allow what is weak: ${names}; see controlPlane.tls`]),
  ];
}
