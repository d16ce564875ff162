import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { startHttpProxy } from '@sallyport/tls/test/proxies';
import { until } from '../harness.ts';
import { AwsPeer, awsCredentials } from './aws-peer.ts';
import { Guarded } from './guarded.ts';
import { BEHIND_PROXY, Peer } from './peer.ts';

const URI = 'aws-sm://shop/db';
let home: TempDirectory;
let aws: AwsPeer;
let sts: Peer;
let guarded: Guarded | undefined;
beforeEach(async () => {
  home = await createTempDirectory('aws');
  aws = await AwsPeer.start();
  aws.put('shop/db', 'first');
  sts = await Peer.start(({ body }) => assumed(new URLSearchParams(body)), aws.peer.issuer);
});
afterEach(async () => {
  await guarded?.[Symbol.asyncDispose]();
  guarded = undefined;
  await sts.stop();
  await aws[Symbol.asyncDispose]();
  await home.remove();
});

/** As STS answers AssumeRoleWithWebIdentity. */
function assumed(form: URLSearchParams) {
  const isGood =
    form.get('Action') === 'AssumeRoleWithWebIdentity' &&
    form.get('WebIdentityToken') === 'pod.token.x';
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key } = awsCredentials;
  const credentials = `<Credentials><AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${key}</SecretAccessKey><SessionToken>of-the-role</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>`;
  const name = 'AssumeRoleWithWebIdentity';
  const text = isGood
    ? `<${name}Response><${name}Result>${credentials}</${name}Result></${name}Response>`
    : '<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>';
  return { status: isGood ? 200 : 403, text, headers: { 'content-type': 'text/xml' } };
}

async function put(name: string, text: string): Promise<string> {
  const file = join(home.path, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

async function agentWith(
  env: Record<string, string>,
  { timeoutSeconds = 10, proxy }: { timeoutSeconds?: number; proxy?: { url: string } } = {},
): Promise<Guarded> {
  const truststore = { file: await put('ca.pem', aws.peer.ca) };
  const awsSm = { region: 'eu-central-1', endpoint: aws.peer.url, truststore };
  const nowhere = { AWS_CONFIG_FILE: '/none', AWS_SHARED_CREDENTIALS_FILE: '/none' };
  const given = { settings: { awsSm }, env: { ...nowhere, ...env } };
  guarded = new Guarded(given, { timeoutSeconds, proxy });
  return guarded;
}

const byWebIdentity = async (stsUrl: string) => ({
  AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/shop',
  AWS_WEB_IDENTITY_TOKEN_FILE: await put('pod-token', 'pod.token.x'),
  AWS_ENDPOINT_URL_STS: stsUrl,
});

const errorOf = (read: Promise<string>) => read.catch((error: unknown) => error);

describe('[AT-05] [AT-13] AWS is asked', () => {
  test('by the web identity of a workload, over a link of the agent’s to STS', async () => {
    const agent = await agentWith(await byWebIdentity(sts.url));
    expect(await agent.read(URI)).toBe('first');
    expect(await agent.read(URI)).toBe('first');
    expect(sts.asked).toHaveLength(1);
    expect(aws.peer.asked[0]?.headers['x-amz-security-token']).toBe('of-the-role');
  });

  test('[AX-14] by that of a workload which reaches STS through the proxy alone', async () => {
    const url = new URL(sts.url);
    url.hostname = BEHIND_PROXY;
    const env = await byWebIdentity(url.origin);
    await using proxy = await startHttpProxy({
      hosts: { [BEHIND_PROXY]: 'localhost', localhost: 'localhost' },
    });
    const without = await agentWith(env);
    expect(await errorOf(without.read(URI))).toMatchObject({ code: 'reference.unreachable' });
    await without[Symbol.asyncDispose]();
    const agent = await agentWith(env, { proxy: { url: `http://127.0.0.1:${proxy.port}` } });
    expect(await agent.read(URI)).toBe('first');
    expect(proxy.destinations).toEqual([url.host, new URL(aws.peer.url).host]);
  });

  test('not without credentials, which says so', async () => {
    const agent = await agentWith({});
    expect(await errorOf(agent.read(URI))).toMatchObject({
      code: 'reference.denied',
      retryable: true,
      advice: expect.stringMatching(/references\.awsSm: .*profile/),
    });
    expect(aws.peer.asked).toEqual([]);
  });

  test('not with credentials that it does not know', async () => {
    const agent = await agentWith({ ...awsCredentials, AWS_ACCESS_KEY_ID: 'AKIAOTHER' });
    expect(await errorOf(agent.read(URI))).toMatchObject({
      code: 'reference.denied',
      retryable: true,
    });
  });
});

test('[SG-34] AWS is asked anew after what finds its credentials hung', async () => {
  const { AWS_ACCESS_KEY_ID: AccessKeyId, AWS_SECRET_ACCESS_KEY: SecretAccessKey } = awsCredentials;
  const found = await put('found', JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey }));
  const gate = join(home.path, 'gate');
  const script = await put(
    'find',
    `[ -e ${gate} ] && exec cat ${found}; echo $$ > ${gate}; exec sleep 20`,
  );
  const config = await put('config', `[default]\ncredential_process = sh ${script}\n`);
  const agent = await agentWith({ AWS_CONFIG_FILE: config }, { timeoutSeconds: 3 });
  expect(await errorOf(agent.read(URI))).toMatchObject({ code: 'reference.unreachable' });
  expect(await agent.read(URI)).toBe('first');
  const hung = Number(await readFile(gate, 'utf8'));
  process.kill(hung, 'SIGKILL');
  await until(() => !existsSync(`/proc/${hung}`));
});
