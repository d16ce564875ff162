import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { parse } from 'yaml';
import { z } from 'zod';

const root = new URL('../../', import.meta.url);
const text = readFileSync(new URL('docker-compose.yml', root), 'utf8');
const { services } = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        image: z.string(),
        user: z.string().optional(),
        read_only: z.boolean().optional(),
        cap_drop: z.array(z.string()).optional(),
        security_opt: z.array(z.string()).optional(),
        mem_limit: z.string().optional(),
        pids_limit: z.number().optional(),
        environment: z.record(z.string(), z.string()).optional(),
        networks: z.array(z.string()).optional(),
        ports: z.array(z.string()).optional(),
        volumes: z.array(z.string()).optional(),
      }),
    ),
  })
  .parse(parse(text, { merge: true }));
const all = Object.entries(services);

describe('the compose file', () => {
  test.each(all)('%s may write nothing but its volumes and gain no rights', (_, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      mem_limit: expect.any(String),
      pids_limit: expect.any(Number),
    });
  });

  test.each(all)('%s gets every secret from a file', (_, { environment = {} }) => {
    const secret = /PASSWORD|SECRET|TOKEN|KEY|URL$/;
    const named = Object.keys(environment).filter((name) => secret.test(name));
    expect(named.filter((name) => !name.endsWith('_FILE'))).toEqual([]);
  });

  test('agents and applications share no network with the database', () => {
    const beside = all.filter(([, { networks }]) => networks?.includes('database'));
    expect(beside.map(([name]) => name)).toEqual(['postgres', 'redis', 'control-plane']);
  });

  test('gives the application and the owner of the database a login each', () => {
    const { environment = {} } = services['control-plane'] ?? {};
    const names = ['DATABASE_OWNER_URL_FILE', 'DATABASE_URL_FILE'];
    const files = names.map((name) => environment[name]?.split('/').at(-1) ?? name);
    const passwords = readFileSync(new URL('tools/compose/make-passwords.mjs', root), 'utf8');
    const logins = files.map((file) =>
      new RegExp(`'${file}': .postgresql://(\\w+):`).exec(passwords),
    );
    expect(logins.map((found) => found?.[1])).toEqual([
      services['postgres']?.environment?.['POSTGRES_USER'],
      'sallyport_server',
    ]);
    expect(services['postgres']?.volumes).toContain(
      './tools/compose/application-login.sql:/docker-entrypoint-initdb.d/application-login.sql:ro',
    );
  });

  test('publishes on loopback only', () => {
    const ports = all.flatMap(([, service]) => service.ports ?? []);
    expect(ports).not.toEqual([]);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });
});

describe.each(['apps/control-plane/Dockerfile', 'apps/agent/Dockerfile'])('%s', (path) => {
  const lines = readFileSync(new URL(path, root), 'utf8').split('\n');

  test('ends as a numeric user that is not root', () => {
    const users = lines.filter((line) => line.startsWith('USER '));
    expect(users.at(-1)).toMatch(/^USER [1-9]\d*:[1-9]\d*$/);
  });

  test('starts and checks its health without a shell', () => {
    const joined = lines.join('\n').replaceAll('\\\n', '');
    expect(joined).toMatch(/^ENTRYPOINT \["node"/m);
    expect(joined).toMatch(/^HEALTHCHECK .*CMD \["node"/m);
  });

  test('has no secret as an argument or a variable', () => {
    expect(
      lines.filter((line) => /^\s*(ARG|ENV) .*(PASSWORD|TOKEN|SECRET|KEY)/.test(line)),
    ).toEqual([]);
  });
});

describe('the agent on nothing (apps/agent/Dockerfile, target alone)', () => {
  const path = 'apps/agent/Dockerfile';
  const stages = readFileSync(new URL(path, root), 'utf8').split(/^FROM /m);
  const stage = stages.find((each) => each.startsWith('scratch AS alone\n')) ?? '';

  test('ends as a numeric user that is not root, and starts and checks its health by its executable', () => {
    expect(stage).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(stage).toMatch(/^ENTRYPOINT \["\/usr\/bin\/sallyport-agent"\]$/m);
    expect(stage.replaceAll('\\\n', '')).toMatch(
      /^HEALTHCHECK .*CMD \["\/usr\/bin\/sallyport-agent", "status"\]$/m,
    );
  });
});

describe('the token of the enrolment', () => {
  test.each([
    ['enrolled', 0],
    ['did not, as it may have expired or be used up: the next start makes another', 1],
  ])('is gone where the agent %s', async (_, exitCode) => {
    await using folder = await createTempDirectory('enrol');
    const script = readFileSync(new URL('tools/compose/enrol.mjs', root), 'utf8')
      .replaceAll('/var/lib/sallyport-agent', folder.path)
      .replaceAll('/opt/sallyport', folder.path);
    const [enrol, token] = [join(folder.path, 'enrol.mjs'), join(folder.path, 'token')];
    await writeFile(enrol, script);
    await writeFile(token, 'sp_enroll_');
    await writeFile(join(folder.path, 'sallyport-agent.mjs'), `process.exitCode = ${exitCode};`);
    const { status } = spawnSync(process.execPath, [enrol]);
    expect({ status, left: existsSync(token) }).toEqual({ status: exitCode, left: false });
  });
});
