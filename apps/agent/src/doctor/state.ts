import { isLocked } from '../state/lock.ts';
import { ENROL_ANEW } from '../state/revocation.ts';
import { isNamedInVain } from '../state/trust-anchors.ts';
import { failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

const ENROL = 'run: sallyport-agent enroll';

/** There, this user’s own, and closed to everybody else. */
export async function stateDirectory(host: Host): Promise<Found> {
  const state = await host.openState();
  if (state !== undefined) return ok(`${state.path} is this user’s own`);
  return failed(`${host.config.stateDir} is not there`, `${ENROL}, or name it with --state-dir`);
}

/** Whole, not revoked, and its private keys are those of its public ones. */
export async function identity(host: Host): Promise<Found[]> {
  const state = await host.state();
  if ((await state.read('revoked.json')) !== undefined)
    return [failed(`the agent in ${state.path} was revoked`, ENROL_ANEW)];
  const found = await host.openIdentity();
  const { agentId, name, group, signingKey } = found;
  const whole = ok(`${name} (${agentId}), group ${group.name}, key ${signingKey.thumbprint}`);
  if (!(await isNamedInVain(state, found))) return [whole];
  const lost = warning(
    `${state.join('trust.json')} is damaged, or of another enrolment; the CAs of the enrolment are trusted in place of those in it`,
    'run the agent: its next session writes it anew where the control plane names others; else remove the file',
  );
  return [whole, lost];
}

/** Whether an agent runs on this directory is no fault either way; what follows is told by it. */
export async function runningAgent(host: Host): Promise<Found> {
  const { path } = await host.state();
  return isLocked(path)
    ? ok(`an agent runs on ${path}`)
    : ok(`no agent runs on ${path}; start it with: sallyport-agent run`);
}
