import { expect, test } from '@jest/globals';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../../src/agent.ts';
import { importIdentity } from '../../src/state/identity.ts';
import { ControlPlaneDouble } from '../control-plane-double.ts';
import { enrollWith, until } from '../harness.ts';
import { ResolverAlone } from './resolver-alone.ts';

test('[SG-33] [AT-10] what references led to is wiped when the agent is revoked', async () => {
  await using double = await ControlPlaneDouble.start();
  const enrolled = await enrollWith(double);
  const identity = await importIdentity(enrolled.identity);
  const link = new HttpsLink({ baseUrl: double.url, ca: double.ca });
  const alone = new ResolverAlone();
  const agent = new Agent({ identity, link, references: alone.resolver });
  agent.start();
  await until(() => double.waitingPulls === 1);
  const held = await alone.read();
  expect(held.open()).toBe('first');
  double.revoke(enrolled.identity.agentId);
  await until(() => agent.isRevoked);
  expect(held.open).toThrow('has just changed');
  await agent.stop();
  await enrolled.home.remove();
});
