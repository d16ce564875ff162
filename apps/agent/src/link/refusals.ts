import type { ErrorCode } from '@sallyport/contract';

/** Refusals that only a person can lift: the agent asks again, but slowly. */
const lasting: ReadonlySet<string> = new Set<ErrorCode>([
  'agent.revoked',
  'agent.unknown',
  'protocol.unsupported',
  'revision.ahead',
  'pull.superseded',
  'clock.skewed',
  'task.lock_lost',
]);

const advice: Partial<Record<ErrorCode, string>> = {
  'token.malformed': 'copy the whole token, from sp_enroll_ to its end',
  'token.unknown': 'check that the token is of this control plane, or make a new one',
  'token.expired': 'make a new enrollment token',
  'token.revoked': 'make a new enrollment token',
  'token.used_up': 'make a new enrollment token; if an earlier attempt from this host was cut off, revoke the agent it left behind',
  'token.address_refused': 'make an enrollment token that allows this host’s address',
  'agent.name_taken': 'choose another with --name, or revoke the agent that has it',
  'agent.keys_taken':
    'an earlier attempt registered these keys and its reply was lost: revoke that agent, then enrol again with --force and a new token',
  'agent.revoked': 'enrol again with a new enrollment token',
  'agent.unknown': 'check that the control plane runs on the right database, or enrol again with --force',
  'protocol.unsupported': 'update the older one of agent and control plane',
  'revision.ahead': 'the control plane was restored from an older backup: change anything in the group until its revision has caught up',
  'pull.superseded': 'another process pulls with this agent’s identity: stop it, or enrol it on its own',
  'clock.skewed': 'set this host’s clock, best by NTP',
};

/** Statuses of refusals that another attempt, a moment later, may not meet. */
const passing: ReadonlySet<number> = new Set([401, 404, 408, 409, 429]);

/** Whether the agent should ask again soon. */
export function mayPass(code: string, status: number): boolean {
  return !lasting.has(code) && (status >= 500 || passing.has(status));
}

/** What a person at the agent's host can do about a refusal. */
export function adviceFor(code: string): string | undefined {
  return Object.entries(advice).find(([known]) => known === code)?.[1];
}
