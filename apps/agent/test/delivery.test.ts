import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon;

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'first');
  double.putSecret('live-only', 'never on disk', 'deny');
  double.putPlugin('rate-limit', { perSecond: 5 });
  enrolled = await enrollWith(double);
  daemon = await startDaemon(enrolled);
  await daemon.untilSecret('db/password', 'first');
});

afterAll(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
});

describe('a running agent', () => {
  test('[SG-11] serves a changed secret without being asked, and acknowledges the revision that brought it', async () => {
    await until(() => double.waitingPulls === 1);
    double.putSecret('db/password', 'second');
    await daemon.untilSecret('db/password', 'second');
    await until(() => double.lastPull()?.revision === double.group.revision);
    expect(double.lastPull()).toMatchObject({ epoch: 1, status: 'ready' });
  });
});
