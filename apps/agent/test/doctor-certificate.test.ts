import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import { z } from 'zod';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, type Enrolled } from './harness.ts';
import { putCertificate } from './put-certificate.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  enrolled = await enrollWith(double);
});
afterEach(async () => {
  await double.stop();
  await enrolled.home.remove();
});

const findings = z.array(z.object({ check: z.string(), outcome: z.string(), detail: z.string() }));

/** What doctor finds of the client certificate. */
async function examined(env: Record<string, string>) {
  const { stdout } = await runAgent(['doctor', '--state-dir', enrolled.stateDir, '--json'], {
    env,
  });
  const report = z.object({ findings }).parse(JSON.parse(stdout));
  return report.findings.filter(({ check }) => check === 'client certificate');
}

const putFor = (hours: number, agentId?: string) => {
  const notAfter = new Date(Date.now() + hours * 3_600_000);
  return putCertificate(enrolled, { notAfter, ...(agentId && { agentId }) });
};

describe('the client certificate', () => {
  const byCertificate = { SALLYPORT_AGENT_AUTHENTICATION: 'certificate' };
  const found = () => examined(byCertificate);

  test('is none where sessions are opened otherwise, and is said to be missing where it is asked for', async () => {
    expect(await examined({})).toMatchObject([{ outcome: 'ok' }]);
    expect(await found()).toMatchObject([{ outcome: 'warning', detail: 'there is none yet' }]);
  });

  test('is told with its end; one that has ended is a fault, one of another enrolment is not used', async () => {
    await putFor(1);
    expect(await found()).toMatchObject([
      { outcome: 'ok', detail: expect.stringMatching(/until/) },
    ]);
    await putFor(-1);
    expect(await found()).toMatchObject([{ outcome: 'failed' }]);
    await putFor(1, '01890a5d-ac96-774b-bcce-b302099a8058');
    expect(await found()).toMatchObject([
      { outcome: 'warning', detail: expect.stringMatching(/another enrolment/) },
    ]);
  });

  test('[BM-22] is shown by link verify with its fingerprint', async () => {
    await putFor(1);
    const verify = ['link', 'verify', '--state-dir', enrolled.stateDir, '--json'];
    const { stdout } = await runAgent(verify, { env: byCertificate });
    const text = await readFile(join(enrolled.stateDir, 'certificate.json'), 'utf8');
    const { certificate } = z.object({ certificate: z.string() }).parse(JSON.parse(text));
    expect(JSON.parse(stdout)).toMatchObject({
      failure: null,
      agent: { certificateFingerprint: certificateFingerprint(certificate) },
    });
  });
});
