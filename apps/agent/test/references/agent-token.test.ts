import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { agentConfig } from '../../src/config.ts';
import { ControlPlaneDouble } from '../control-plane-double.ts';
import { Refusal } from '../double/authority.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from '../harness.ts';
import { runAgent } from '../run-agent.ts';
import { contentsBelow } from './disk.ts';
import { withEnvironment } from './guarded.ts';
import { subjects, vaultSubject, type Subject } from './subjects.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let subject: Subject | undefined;
let daemon: TestDaemon | undefined;
let restore: () => void;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'first');
  enrolled = await enrollWith(double);
});
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
  restore();
  await subject?.[Symbol.asyncDispose]();
  await double.stop();
  await enrolled.home.remove();
});

const newToken = () => double.authority.mintAgentToken(enrolled.identity.agentId);
const openings = () => double.requestsTo('/agent/v1/session').map(({ body }) => JSON.parse(body));

async function startWith(started: Subject, uri: string): Promise<TestDaemon> {
  subject = started;
  const { env, settings } = started;
  restore = withEnvironment({ ...env, AWS_EC2_METADATA_DISABLED: 'true' });
  const { references } = agentConfig.parse({ references: settings });
  daemon = await startDaemon({ ...enrolled, env, references, tokenReference: uri });
  return daemon;
}

describe('[AT-05] [AT-06] [AT-12] an agent whose token is somewhere else', () => {
  test.each(subjects)('boots with one from %s, and keeps it nowhere', async (_, start) => {
    const started = await start();
    const token = newToken();
    await started.put('db-password', token);
    const agent = await startWith(started, started.uriOf('db-password'));
    await agent.untilSecret('db/password', 'first');
    expect(openings()).toEqual([
      expect.objectContaining({ grantType: 'urn:sallyport:grant-type:agent-token', token }),
    ]);
    const kept = await contentsBelow(enrolled.home.path);
    expect(kept.length).toBeGreaterThan(2);
    const told = [JSON.stringify(agent.log), (await agent.ask('/healthz')).body];
    expect([...kept, ...told].join()).not.toContain(token);
  });

  test('[AT-09] [AT-11] gets the next one by itself once the one before is refused, and serves meanwhile', async () => {
    const started = await vaultSubject();
    const [old, next] = [newToken(), newToken()];
    await started.put('token', old);
    const agent = await startWith(started, started.uriOf('token'));
    await agent.untilSecret('db/password', 'first');
    await until(() => double.waitingPulls === 1);
    double.authority.endAgentToken(old);
    await started.put('token', next);
    double.failNext('/agent/v1/pull', new Refusal(401, 'agent_token.revoked'));
    double.putSecret('db/password', 'second');
    await agent.untilSecret('db/password', 'second');
    await until(() => openings().at(-1)?.token === next);
  });

  test('waits for a provider that is away, and says what it waits for', async () => {
    const started = await vaultSubject();
    started.peer?.failAll({ status: 503 });
    const agent = await startWith(started, started.uriOf('token'));
    const { controlPlane } = await agent.untilHealth(
      (report) => report.controlPlane.lastError !== null,
    );
    expect(controlPlane.lastError).toMatchObject({
      code: 'reference.unreachable',
      message: expect.stringMatching(/^the agent token is not to be had: Vault answers 503/),
    });
    await started.put('token', newToken());
    started.peer?.failAll(undefined);
    await agent.untilSecret('db/password', 'first');
  });

  test('is told when what is there is no agent token, which is not repeated', async () => {
    const started = await vaultSubject();
    await started.put('token', 'canary');
    const agent = await startWith(started, started.uriOf('token'));
    const { controlPlane } = await agent.untilHealth(
      (report) => report.controlPlane.lastError !== null,
    );
    expect(controlPlane.lastError).toMatchObject({ code: 'reference.failed' });
    expect(JSON.stringify([controlPlane, agent.log])).not.toContain('canary');
    expect(openings()).toEqual([]);
  });
});

describe('[AT-05] tokenReference', () => {
  const check = (settings: Record<string, unknown>) => {
    const { error } = agentConfig.safeParse(settings);
    return error?.issues.map(({ path }) => path.join('.')) ?? [];
  };

  test('is in place of tokenFile, for an agent that opens sessions by a token', async () => {
    restore = () => {};
    const tokenReference = 'vault://kv/agent#token';
    expect(check({ tokenReference })).toEqual([]);
    expect(check({ tokenReference, authentication: 'token' })).toEqual([]);
    expect(check({ tokenReference, tokenFile: '/run/token' })).toEqual(['tokenReference']);
    expect(check({ tokenReference, authentication: 'key' })).toEqual(['tokenReference']);
    expect(check({ authentication: 'token' })).toEqual(['tokenFile']);
  });

  test('that cannot be read is refused, and not repeated', async () => {
    restore = () => {};
    const { code, stderr, stdout } = await runAgent(['config', 'check'], {
      env: { SALLYPORT_AGENT_TOKEN_REFERENCE: 'sp_agent_canary' },
    });
    expect(code).toBe(2);
    expect(stdout + stderr).toContain('SALLYPORT_AGENT_TOKEN_REFERENCE');
    expect(stdout + stderr).not.toContain('canary');
  });
});
