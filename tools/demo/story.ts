import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createdEnrollmentToken } from '@sallyport/contract';
import pg from 'pg';
import { readLocally, readUntil, valueOf } from './application.ts';
import { expectThat, type Narrator } from './narrator.ts';
import { signIn } from './operator.ts';
import type { Scene } from './scene.ts';

const PATH = '/groups/plant-7/secrets/db-password';
const LOCAL = '/v1/secrets/db-password';

export type Measured = { propagationMs: number; offlineRestartMs: number };

/** The journey of one secret. Every step throws when it does not see what it must. */
export async function story(scene: Scene, { step }: Narrator): Promise<Measured> {
  const [first, second, third] = ['first', 'second', 'third'].map(
    (name) => `${name}-${randomBytes(9).toString('base64url')}`,
  );
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('three values are needed');

  const controlPlane = await step('start the control plane, with a database of its own', () =>
    scene.startControlPlane(),
  );
  const ca = await scene.caCertificate();
  const operator = await step('sign in as the owner', () =>
    signIn(scene.operatorUrl, ca, scene.ownerPassword),
  );
  await step('create the group plant-7', () =>
    operator.call('POST', '/groups', { name: 'plant-7' }),
  );
  const { token } = await step('make an enrollment token for one use', async () =>
    createdEnrollmentToken.parse(
      await operator.call('POST', '/groups/plant-7/enrollment-tokens', { uses: 1 }),
    ),
  );

  const enroll = [
    'enroll',
    '--url',
    scene.agentUrl,
    '--ca-file',
    join(scene.controlPlaneFolder, 'ca.pem'),
    '--token-file',
    '-',
  ];
  await step('enrol an agent; its keys are made on its host', async () => {
    const { code, output } = await scene.agent(enroll, token);
    expectThat(code === 0, `enrolment exited ${code}: ${output}`);
  });
  await step(
    'use the token a second time',
    async () => {
      const { code, output } = await scene.agent(
        [...enroll, '--force', '--state-dir', join(scene.folder, 'second-agent')],
        token,
      );
      expectThat(code !== 0 && /no use left/.test(output), 'the second use was not refused');
    },
    () => 'refused',
  );
  const agent = await step('start the agent', async () => scene.startAgent());

  await step('write a secret through the REST API', () =>
    operator.call('PUT', PATH, { value: first, offline: 'allow' }),
  );
  await step('read it as an application, from the agent’s socket', async () => {
    const reply = await readUntil(scene.socket, LOCAL, (seen) => valueOf(seen) === first);
    expectThat(valueOf(reply) === first, `the application got ${reply.status}`);
  });

  const propagationMs = await step(
    'change it, and read the new value',
    () => changeAndTime(scene, () => operator.call('PUT', PATH, { value: second }), second),
    (ms) => `served ${ms} ms after the call began`,
  );
  await step(
    'look at what the database holds',
    () => sealedValue(scene, [first, second]),
    (hex) => `ciphertext, ${hex}…`,
  );

  await step('kill the control plane with SIGKILL', async () => {
    controlPlane.kill('SIGKILL');
    await controlPlane.exited;
  });
  await step('stop the agent', async () => {
    agent.kill('SIGKILL');
    await agent.exited;
  });
  const offlineRestartMs = await step(
    'start the agent again, with no control plane',
    async () => {
      const restartedAt = performance.now();
      scene.startAgent();
      const reply = await readUntil(scene.socket, LOCAL, (seen) => valueOf(seen) === second);
      expectThat(valueOf(reply) === second, `the application got ${reply.status}`);
      return round(performance.now() - restartedAt);
    },
    (ms) => `the secret was served after ${ms} ms`,
  );

  operator.close();
  await step('bring the control plane back', () => scene.startControlPlane());
  await step('change the secret once more; the agent catches up', async () => {
    const again = await signIn(scene.operatorUrl, ca, scene.ownerPassword);
    await again.call('PUT', PATH, { value: third });
    again.close();
    const reply = await readUntil(scene.socket, LOCAL, (seen) => valueOf(seen) === third, 40_000);
    expectThat(valueOf(reply) === third, 'the agent did not catch up');
  });
  return { propagationMs, offlineRestartMs };
}

/** The time from the beginning of the operator's call until an application reads the new value. */
async function changeAndTime(
  scene: Scene,
  change: () => Promise<unknown>,
  value: string,
): Promise<number> {
  await readLocally(scene.socket, LOCAL);
  const startedAt = performance.now();
  const changing = change();
  const reply = await readUntil(scene.socket, LOCAL, (seen) => valueOf(seen) === value);
  const elapsed = performance.now() - startedAt;
  await changing;
  expectThat(valueOf(reply) === value, 'the new value did not arrive');
  return round(elapsed);
}

/** The stored value's first bytes, after a look that no row holds it in clear. */
async function sealedValue(scene: Scene, plaintexts: string[]): Promise<string> {
  const folder = join(scene.controlPlaneFolder, 'postgres');
  const password = (await readFile(join(folder, 'password'), 'utf8')).trim();
  const port = (await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8')).split('\n')[3];
  const client = new pg.Client({
    host: '127.0.0.1',
    port: Number(port),
    user: 'postgres',
    password,
    database: 'sallyport',
  });
  await client.connect();
  try {
    const { rows } = await client.query<{ sealed_value: Buffer }>(
      'SELECT sealed_value FROM secret_versions ORDER BY version DESC',
    );
    for (const { sealed_value: sealed } of rows) {
      for (const plaintext of plaintexts)
        expectThat(!sealed.includes(plaintext), 'a value stands in the database in clear');
    }
    return rows[0]?.sealed_value.toString('hex').slice(0, 32) ?? '';
  } finally {
    await client.end();
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
