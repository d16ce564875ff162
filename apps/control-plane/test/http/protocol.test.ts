import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ASSERTION_GRANT, PROTOCOL } from '@sallyport/contract';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let agent: AgentClient;
let token: string;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
  const created = await owner.call('POST', '/groups/plant-7/enrollment-tokens', { uses: 20 });
  token = field(created.body, 'token');
  agent = await newAgent();
  await agent.enroll(token);
  await agent.openSession();
});
afterAll(() => controlPlane.end());

const newAgent = () => AgentClient.create(controlPlane.agentApp, controlPlane.clock);

/** Every call that names a protocol, with `change` in its body. */
const calls: [string, (change: Record<string, unknown>) => Promise<Reply>][] = [
  ['enroll', async (change) => (await newAgent()).enroll(token, change)],
  [
    'session',
    async (change) => {
      const assertion = await agent.assertion();
      return agent.call('POST', '/session', { grantType: ASSERTION_GRANT, assertion, ...change });
    },
  ],
  ['session/renew', (change) => agent.call('POST', '/session/renew', change)],
  [
    'pull',
    (change) => {
      const position = { revision: 0, epoch: 0, status: 'starting' };
      return agent.call('POST', '/pull', {
        ...position,
        waitSeconds: 0,
        taskCapacity: 0,
        ...change,
      });
    },
  ],
];

test.each(calls)('[F-20] %s of this protocol and of the one before is served', async (_, send) => {
  for (const protocol of [PROTOCOL, PROTOCOL - 1])
    expect((await send({ protocol })).status).toBeLessThan(300);
});

test.each(calls)(
  '[F-20] %s of the next protocol, with fields that are not known here, is told just that',
  async (_, send) => {
    const refused = await send({ protocol: PROTOCOL + 1, novelty: { of: ['the next'] } });
    expect(refused).toMatchObject({ status: 400, body: { code: 'protocol.unsupported' } });
    expect(refused.text).toContain('upgrade the control plane first');
  },
);

test.each(calls)(
  '[F-20] %s with fields that this protocol does not have, or without a protocol, is not valid',
  async (_, send) => {
    const invalid = { status: 400, body: { code: 'request.invalid' } };
    expect(await send({ protocol: PROTOCOL, novelty: 1 })).toMatchObject(invalid);
    expect(await send({ protocol: `${PROTOCOL + 1}`, novelty: 1 })).toMatchObject(invalid);
  },
);

test('[F-20] an agent from before the oldest protocol is told to upgrade itself', async () => {
  const refused = await agent.call('POST', '/session/renew', { protocol: 0 });
  expect(refused).toMatchObject({ status: 400, body: { code: 'protocol.unsupported' } });
  expect(refused.text).toContain('upgrade the agent');
});
