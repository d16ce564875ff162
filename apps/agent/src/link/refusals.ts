import type { ErrorCode } from '@sallyport/contract';
import type { LinkErrorCode } from '@sallyport/tls/https-link';
import { ENROL_ANEW } from '../state/revocation.ts';

/** Refusals that only a person can lift: the agent asks again, but slowly. */
const lasting: ReadonlySet<string> = new Set<ErrorCode>([
  'agent.revoked',
  'agent.unknown',
  'agent.cloned',
  'agent.method_refused',
  'client_certificate.required',
  'protocol.unsupported',
  'revision.ahead',
  'pull.superseded',
  'clock.skewed',
  'task.lock_lost',
]);

/** Where the agent's side knows more than the control plane's own sentence says, or that of the link. */
const advice: Partial<Record<ErrorCode | LinkErrorCode, string>> = {
  'agent.revoked': ENROL_ANEW,
  'token.used_up':
    'if an earlier attempt from this host was cut off, also revoke the agent that it left behind',
  'agent.keys_taken':
    'an earlier attempt from this host registered them and its reply was lost: revoke that agent, then enrol with --force and a new token',
  'agent.unknown':
    'check that the control plane runs on the right database, or enrol again with --force',
  'request.invalid':
    'the control plane is most likely older than this agent: upgrade it first, or go back to the agent before',
  'client_certificate.required':
    'set authentication to certificate on this host; where it is, let the proxy on the way pass TLS through',
  'pull.superseded': 'stop the other process, or give it an enrolment of its own',
  'clock.skewed': 'set this host’s clock, best by NTP',
  'tls.unknown_ca':
    'if the control plane has a certificate of another CA now, set controlPlane.truststore.file to that CA; if it was set up anew, compare the fingerprint with what it prints at its start, stop this agent and enroll --force with that',
};

/** Statuses of refusals that another attempt, a moment later, may not meet. */
const passing: ReadonlySet<number> = new Set([401, 404, 408, 409, 429]);

/** Whether the agent should ask again soon. */
export function mayPass(code: string, status: number): boolean {
  return !lasting.has(code) && (status >= 500 || passing.has(status));
}

/** What a person at the agent's host can do about a refusal, or a link that fails. */
export function adviceFor(code: string): string | undefined {
  return Object.entries(advice).find(([known]) => known === code)?.[1];
}
