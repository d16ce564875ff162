import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { auditCheckpoint, page } from '@sallyport/contract';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';
import { allPlaced, headOf } from './chain.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({
    settings: { audit: { checkpointSeconds: 1, retentionDays: undefined } },
  });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

const checkpoints = async () =>
  page(auditCheckpoint).parse((await owner.call('GET', '/audit/checkpoints')).body).items;

/** Looks again and again until the head of the chain is signed. */
async function signedHead(): Promise<void> {
  await allPlaced(controlPlane.databaseUrl);
  const head = await headOf(controlPlane.databaseUrl);
  while ((await checkpoints())[0]?.size !== head.position);
  expect((await checkpoints())[0]).toMatchObject({ size: head.position, hash: head.hash });
}

test('[F-19] the head of the chain is signed on schedule when it has moved, and once', async () => {
  await signedHead();
  await owner.call('POST', '/groups', { name: 'plant-7' });
  await signedHead();
  await owner.call('POST', '/groups', { name: 'plant-8' });
  await signedHead();
  const sizes = (await checkpoints()).map(({ size }) => size);
  expect(new Set(sizes).size).toBe(sizes.length);
  expect((await owner.call('GET', '/audit/verify')).body).toMatchObject({
    intact: true,
    checkpoints: sizes.length,
  });
});
