import { randomUUID } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { storedIdentity } from '../src/state/identity.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, type Enrolled } from './harness.ts';
import { runAgent } from './run-agent.ts';

type Found = { check: string; outcome: string; detail: string; advice: string | null };

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let trustFile: string;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  enrolled = await enrollWith(double);
  trustFile = join(enrolled.stateDir, 'trust.json');
});
afterEach(async () => {
  await double.stop();
  await enrolled.home.remove();
});

/** What doctor finds of one check, which never holds what the files do. */
async function examined(...checks: string[]): Promise<{ code: number; found: Found[] }> {
  const { code, stdout } = await runAgent(['doctor', '--state-dir', enrolled.stateDir, '--json']);
  expect(stdout).not.toContain('canary');
  const { findings }: { findings: Found[] } = JSON.parse(stdout);
  return { code, found: findings.filter(({ check }) => checks.includes(check)) };
}

const nameLast = (text: string) => writeFile(trustFile, text, { mode: 0o600 });

describe('[SG-35] doctor looks at the CAs that are trusted with the link, and finds', () => {
  test('those of the enrolment that are no certificates, by the file that names them', async () => {
    const path = join(enrolled.stateDir, 'identity.json');
    const identity = storedIdentity.parse(JSON.parse(await readFile(path, 'utf8')));
    await writeFile(path, JSON.stringify({ ...identity, trustAnchors: ['canary'] }));
    expect(await examined('identity', 'connection')).toEqual({
      code: 11,
      found: [
        {
          check: 'identity',
          outcome: 'failed',
          detail: `${path} names CAs to trust that are no certificates`,
          advice: expect.stringContaining('--force'),
        },
        expect.objectContaining({ check: 'connection', outcome: 'skipped' }),
      ],
    });
  });

  test.each([
    ['damaged', '{"canary'],
    ['of another enrolment', `{"format":1,"agentId":"${randomUUID()}","trustAnchors":["canary"]}`],
  ])(
    'a file of those that were named last that is %s, beside a link that is good',
    async (_, text) => {
      await nameLast(text);
      expect(await examined('identity', 'tls')).toMatchObject({
        code: 0,
        found: [
          { check: 'identity', outcome: 'ok' },
          {
            check: 'identity',
            outcome: 'warning',
            detail: expect.stringContaining(`${trustFile} is damaged, or of another`),
            advice: expect.stringContaining('remove the file'),
          },
          { check: 'tls', outcome: 'ok' },
        ],
      });
      const { agentId } = enrolled.identity;
      await nameLast(JSON.stringify({ format: 1, agentId, trustAnchors: [double.ca] }));
      expect((await examined('identity')).found).toMatchObject([{ outcome: 'ok' }]);
    },
  );

  test('a file of those that were named last that others may read', async () => {
    await nameLast('{}');
    await chmod(trustFile, 0o644);
    expect((await examined('identity')).found).toMatchObject([
      {
        outcome: 'failed',
        detail: expect.stringMatching(/trust\.json .*0644/),
        advice: expect.stringMatching(/^chmod/),
      },
    ]);
  });
});
