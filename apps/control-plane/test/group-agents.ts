import { AgentClient } from './agent-client.ts';
import type { TestControlPlane } from './control-plane.ts';
import { field, type OperatorClient } from './operator-client.ts';

/** Makes the group if it is new, and an agent of it with a session on `replica`. */
export async function agentIn(
  owner: OperatorClient,
  group: string,
  replica: TestControlPlane,
): Promise<AgentClient> {
  await owner.call('POST', '/groups', { name: group });
  const created = await owner.call('POST', `/groups/${group}/enrollment-tokens`, {});
  const agent = await AgentClient.create(replica.agentApp, replica.clock);
  const enrolled = await agent.enroll(field(created.body, 'token'));
  if (enrolled.status !== 201) throw new Error(`enrolment was answered ${enrolled.text}`);
  const opened = await agent.openSession();
  if (opened.status !== 200) throw new Error(`the session was answered ${opened.text}`);
  return agent;
}
