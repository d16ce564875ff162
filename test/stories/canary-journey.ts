import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { TcpGate } from '@sallyport/testkit/tcp-gate';
import { makeCanary, textOf, type Canary, type Place } from '../fixtures/canaries.ts';
import type { Installation, Replica } from '../fixtures/installation.ts';
import { ask } from '../fixtures/operator.ts';
import type { Outcome } from '../fixtures/program.ts';

const SECRETS = '/groups/plant-7/secrets';

export type Canaries = ReturnType<typeof makeCanaries>;

/** A canary for each way that a secret may take. */
export function makeCanaries() {
  return {
    password: makeCanary('owner password'),
    wrongPassword: makeCanary('mistyped password'),
    overRest: makeCanary('secret over REST'),
    overCli: makeCanary('secret over the CLI'),
    misplaced: makeCanary('value in a wrong place'),
    malformed: makeCanary('value in a malformed body'),
    interrupted: makeCanary('value whose write was interrupted'),
    bearer: makeCanary('bearer token'),
  };
}

/** Everything that an operator, an agent and an application do with secrets; gives the canaries that were made on the way. */
export async function journey(
  installation: Installation,
  gate: TcpGate,
  canaries: Canaries,
  replies: Place[],
): Promise<Canary[]> {
  const replica = await installation.startReplica('control-plane');
  const ca = join(installation.folder, 'control-plane', 'ca.pem');
  const login = ['login', '--url', replica.url, '--ca-file', ca, '--password-file', '-'];
  await succeeds(installation.cli(login, textOf(canaries.password)));
  await succeeds(installation.cli(['group', 'create', 'plant-7']));
  const created = await succeeds(
    installation.cli(['token', 'create', '--group', 'plant-7', '--json']),
  );
  const token = String(JSON.parse(created).token);
  const host = installation.host('host');
  await host.enroll(replica, token);

  const owner = await installation.signIn(replica);
  const overRest = { value: `${textOf(canaries.overRest)} "\\\n`, offline: 'allow' };
  await owner.do('PUT', `${SECRETS}/rest`, overRest);
  await host.run();
  const set = ['secret', 'set', 'cli', '--group', 'plant-7', '--offline', 'allow'];
  await succeeds(installation.cli(set, textOf(canaries.overCli)));
  await host.untilSecret('cli', textOf(canaries.overCli));
  await succeeds(host.agent(['get', 'cli']));
  await succeeds(
    host.agent(['exec', '--env', 'VALUE=secret:cli', '--', 'sh', '-c', 'test -n "$VALUE"']),
  );
  await owner.do('POST', `${SECRETS}/rest/reveal`, {});
  await succeeds(installation.cli(['secret', 'reveal', 'cli', '--group', 'plant-7']));
  await succeeds(installation.cli(['agent', 'diagnose', host.agentId]));

  await refusals(replica, owner.token, canaries, replies);
  await interruptedWrite(gate, replica, owner.token, textOf(canaries.interrupted));
  await audited(installation);
  return [
    { name: 'enrollment token', bytes: secretPartOf(token) },
    { name: 'session token', bytes: secretPartOf(owner.token) },
    { name: 'session token of the CLI', bytes: secretPartOf(await cliToken(installation)) },
    ...(await keysOf(installation)),
  ];
}

/** Every way to say something wrong, with a value in it. */
async function refusals(
  replica: Replica,
  token: string,
  canaries: Canaries,
  replies: Place[],
): Promise<void> {
  const misplaced = textOf(canaries.misplaced);
  const wrong: [method: string, path: string, body: unknown][] = [
    ['PUT', `${SECRETS}/x`, { value: { nested: misplaced } }],
    ['PUT', `${SECRETS}/x`, { value: 'x', offline: misplaced }],
    ['PUT', `${SECRETS}/x`, { value: 'x', extra: misplaced }],
    ['PUT', `${SECRETS}/x`, { value: misplaced.repeat(3_000) }],
    ['PUT', `${SECRETS}/x`, { value: misplaced.repeat(9_000) }],
    ['PUT', `${SECRETS}/x`, [misplaced]],
    ['POST', `${SECRETS}/rest/reveal`, { version: misplaced }],
    ['POST', '/groups', { name: `${misplaced}!` }],
    ['POST', '/groups/plant-7/enrollment-tokens', { uses: misplaced, cidrs: [misplaced] }],
    ['PUT', '/groups/plant-7/plugins/x', { config: misplaced }],
    ['POST', '/sessions', { name: [misplaced], password: { text: misplaced } }],
    ['PUT', `${SECRETS}/x`, `{"value": "${textOf(canaries.malformed)}`],
    ['POST', '/sessions', `name=owner&password=${textOf(canaries.malformed)}`],
  ];
  for (const [method, path, body] of wrong) {
    const reply = await ask(replica, method, path, { body, token });
    if (![400, 413].includes(reply.status))
      throw new Error(`${method} ${path} was answered ${reply.status}`);
    replies.push({ name: `reply to ${method} ${path}`, bytes: Buffer.from(reply.text) });
  }
  const password = textOf(canaries.wrongPassword);
  const mistyped = await ask(replica, 'POST', '/sessions', { body: { name: 'owner', password } });
  expect(mistyped.status).toBe(401);
  const unknown = await ask(replica, 'GET', '/me', { token: textOf(canaries.bearer) });
  expect(unknown.status).toBe(401);
}

/** What the audit says of all this, as the API, the CLI and an export show it. */
async function audited(installation: Installation): Promise<void> {
  const file = join(installation.folder, 'audit.jsonl');
  await succeeds(installation.cli(['audit', 'list', '--limit', '200', '--json']));
  await succeeds(installation.cli(['audit', 'checkpoint']));
  await succeeds(installation.cli(['audit', 'export', '--file', file]));
  await succeeds(installation.cli(['audit', 'verify', file]));
}

/** The database goes away under a write, and comes back. */
async function interruptedWrite(
  gate: TcpGate,
  replica: Replica,
  token: string,
  value: string,
): Promise<void> {
  gate.cut();
  const body = { value };
  const failed = await ask(replica, 'PUT', `${SECRETS}/interrupted`, { body, token });
  expect(failed.status).toBe(503);
  expect(failed.text).not.toContain('canary');
  gate.restore();
  let reply = await ask(replica, 'PUT', `${SECRETS}/interrupted`, { body, token });
  while (reply.status === 503)
    reply = await ask(replica, 'PUT', `${SECRETS}/interrupted`, { body, token });
  expect(reply.status).toBe(201);
}

async function succeeds(command: Promise<Outcome>): Promise<string> {
  const { code, stdout, stderr } = await command;
  if (code !== 0) throw new Error(`a command exited ${code}: ${stderr}`);
  return stdout;
}

/** `sp_<kind>_<id>_<secret><checksum>` */
function secretPartOf(token: string): Buffer {
  return Buffer.from(token.split('_')[3]?.slice(0, 43) ?? '');
}

async function cliToken({ folder }: Installation): Promise<string> {
  return String(JSON.parse(await readFile(join(folder, 'operator/session.json'), 'utf8')).token);
}

/** The keys that must stay in the one file that holds them. */
async function keysOf({ folder }: Installation): Promise<Canary[]> {
  const rootKey = await readFile(join(folder, 'root-key'), 'utf8');
  const identity = JSON.parse(await readFile(join(folder, 'host/identity.json'), 'utf8'));
  const asBytes = (name: string, text: string, encoding: 'base64' | 'base64url'): Canary[] => [
    { name, bytes: Buffer.from(text) },
    { name, bytes: Buffer.from(text, encoding) },
  ];
  return [
    ...asBytes('root key', rootKey, 'base64'),
    ...asBytes('agent’s signing key', String(identity.signingKey.d), 'base64url'),
    ...asBytes('agent’s encryption key', String(identity.encryptionKey.d), 'base64url'),
  ];
}
