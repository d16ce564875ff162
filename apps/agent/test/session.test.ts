import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PROTOCOL } from '@sallyport/contract';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { Refusal } from './double/authority.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon | undefined;

beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'first');
  enrolled = await enrollWith(double);
});

afterEach(async () => {
  await daemon?.stop();
  await double.stop();
  await enrolled.home.remove();
});

async function start(): Promise<TestDaemon> {
  daemon = await startDaemon(enrolled);
  return daemon;
}

describe('[AX-19] a session by key pair', () => {
  test('is opened with an assertion that the agent’s key signed, for this audience, for a minute, once', async () => {
    await (await start()).untilSecret('db/password', 'first');
    const [session] = double.requestsTo('/agent/v1/session');
    const body = JSON.parse(session?.body ?? '');
    expect(body).toMatchObject({
      protocol: PROTOCOL,
      grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    });
    const { iss, sub, aud, exp = 0, iat = 0, jti } = decodeJwt(body.assertion);
    const { agentId } = enrolled.identity;
    expect({ iss, sub, aud, life: exp - iat, jti }).toEqual({
      iss: agentId,
      sub: agentId,
      aud: 'urn:sallyport:agent-api',
      life: 60,
      jti: expect.any(String),
    });
  });

  test('shows a new proof of possession with every request, for its method and path', async () => {
    await (await start()).untilSecret('db/password', 'first');
    double.putSecret('db/password', 'second');
    await daemon?.untilSecret('db/password', 'second');
    const pulls = double.requestsTo('/agent/v1/pull');
    const proofs = pulls.map(({ headers }) => String(headers['dpop']));
    expect(proofs.map((proof) => decodeJwt(proof))).toEqual(
      proofs.map(() =>
        expect.objectContaining({
          htm: 'POST',
          htu: `${double.url}/agent/v1/pull`,
          ath: expect.any(String),
        }),
      ),
    );
    expect(new Set(proofs.map((proof) => decodeJwt(proof).jti)).size).toBe(pulls.length);
    expect(decodeProtectedHeader(proofs[0] ?? '').jwk).toEqual({
      kty: 'OKP',
      crv: 'Ed25519',
      x: enrolled.identity.signingKey.x,
    });
  });

  test('shows proofs that name the control plane as the requests do, however its URL was typed', async () => {
    await enrolled.home.remove();
    double.host = '127.1';
    enrolled = await enrollWith(double);
    await (await start()).untilSecret('db/password', 'first');
  });

  test('[AX-20] never carries a private key or a value to the control plane', async () => {
    await (await start()).untilSecret('db/password', 'first');
    await until(() => double.waitingPulls === 1);
    const wire = JSON.stringify(double.received);
    const { signingKey, encryptionKey } = enrolled.identity;
    for (const secret of [signingKey.d, encryptionKey.d, 'first'])
      expect(wire).not.toContain(secret);
  });

  test.each(['access_token.expired', 'access_token.invalid'] as const)(
    'is opened anew, at once, after %s',
    async (code) => {
      await (await start()).untilSecret('db/password', 'first');
      await until(() => double.waitingPulls === 1);
      double.failNext('/agent/v1/pull', new Refusal(401, code));
      double.putSecret('db/password', 'second');
      await until(
        () => double.lastPull()?.revision === double.group.revision && double.waitingPulls === 1,
      );
      expect(double.requestsTo('/agent/v1/session')).toHaveLength(2);
      expect((await daemon?.health())?.controlPlane.lastError).toBeNull();
    },
  );

  test('whose assertion is taken for a replay is asked for again with another', async () => {
    double.failNext('/agent/v1/session', new Refusal(401, 'assertion.replayed'));
    await (await start()).untilSecret('db/password', 'first');
    const assertions = double
      .requestsTo('/agent/v1/session')
      .map(({ body }) => JSON.parse(body).assertion);
    expect(new Set(assertions).size).toBe(2);
  });

  test('with a key that the control plane does not hold for this agent is refused, and told', async () => {
    const agent = double.authority.agents.get(enrolled.identity.agentId);
    const other = await enrollWith(double, 'web-2');
    const stranger = double.authority.agents.get(other.identity.agentId);
    if (agent !== undefined && stranger !== undefined)
      agent.verificationKey = stranger.verificationKey;
    const { controlPlane } = await (
      await start()
    ).untilHealth((report) => report.controlPlane.state === 'refused');
    expect(controlPlane.lastError?.code).toBe('assertion.invalid');
    await other.home.remove();
  });
});

describe('[F-08] a clock that is off', () => {
  test.each([600_000, -600_000])(
    'by %i ms is corrected by the control plane’s, and the difference told',
    async (offsetMs) => {
      double.clockOffsetMs = -offsetMs;
      await (await start()).untilSecret('db/password', 'first');
      const report = await daemon?.untilHealth(({ status }) => status === 'ready');
      expect(Math.abs((report?.clockOffsetMilliseconds ?? 0) - offsetMs)).toBeLessThan(2000);
      expect(daemon?.log).toContainEqual(
        expect.objectContaining({ level: 'warn', offsetMs: expect.any(Number) }),
      );
    },
  );

  test('by more than a day is not followed, and the error says what to do', async () => {
    double.clockOffsetMs = 30 * 3_600_000;
    const { controlPlane } = await (
      await start()
    ).untilHealth((report) => report.controlPlane.state === 'refused');
    expect(controlPlane.lastError).toMatchObject({
      code: 'clock.skewed',
      message: expect.stringMatching(/clock is 108000 s behind the control plane’s\.$/),
      advice: expect.stringContaining('clock'),
    });
  });
});

test('every request carries an id of its own, by which the control plane’s log can be searched', async () => {
  await (await start()).untilSecret('db/password', 'first');
  const ids = double.received.map(({ headers }) => headers['x-request-id']);
  expect(new Set(ids).size).toBe(double.received.length);
});
