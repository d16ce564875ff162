import { readFileSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { secretReference } from '@sallyport/contract';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { readAgentConfig } from '../../src/config.ts';
import { statuses } from '../../src/local-api/problem-reply.ts';
import { parseReference } from '../../src/references/reference.ts';
import { runAgent } from '../run-agent.ts';
import { AwsPeer, awsCredentials } from './aws-peer.ts';
import { AzurePeer } from './azure-peer.ts';
import { Guarded } from './guarded.ts';
import { KubernetesPeer } from './kubernetes-peer.ts';
import { VaultPeer } from './vault-peer.ts';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/references.md'), 'utf8');
let home: TempDirectory;
beforeEach(async () => {
  home = await createTempDirectory('page');
  await mkdir(join(home.path, 'secrets'));
});
afterEach(() => home.remove());

function section(heading: string): string {
  return page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
}

const blocks = (text: string) =>
  [...text.matchAll(/^```yaml\n([^`]*)^```/gm)].map(([, yaml = '']) => yaml);
const urisIn = (text: string) =>
  [...text.matchAll(/--reference '([^']+)'/g)].map(([, uri = '']) => uri);

/** What the page says, at the places of this test. */
function here(text: string, ...more: (readonly [string, string])[]): string {
  const places = [['/run/sallyport', home.path], ['/etc/sallyport', home.path], ...more] as const;
  return places.reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
}

const put = (name: string, text: string) => writeFile(join(home.path, name), text, { mode: 0o600 });

/** What the URI of a section leads to, with the configuration of that section and what else a test adds to it. */
async function resolved(
  heading: string,
  given: {
    places?: [string, string][];
    lines?: string[];
    env?: Record<string, string>;
  } = {},
): Promise<string> {
  const text = section(heading);
  const yaml = here(blocks(text)[0] ?? '', ...(given.places ?? []));
  const file = join(home.path, 'agent.yaml');
  await put('agent.yaml', `${yaml}${(given.lines ?? []).map((line) => `    ${line}\n`).join('')}`);
  const { config } = readAgentConfig({ config: file }, {});
  await using agent = new Guarded({ settings: config.references, env: given.env ?? {} });
  return await agent.read(here(urisIn(text)[0] ?? ''));
}

const truststore = () => `truststore: { file: ${join(home.path, 'ca.pem')} }`;

describe('[AT-13] [SG-40] the page of references', () => {
  test('shows Vault', async () => {
    await using vault = await VaultPeer.start();
    vault.put('shop/db', { password: 'of the page' });
    await put('vault-ca.pem', vault.peer.ca);
    await put('vault-secret-id', 'the-id');
    const places: [string, string][] = [['https://vault.example.org:8200', vault.peer.url]];
    expect(await resolved('Vault', { places })).toBe('of the page');
  });

  test('shows AWS Secrets Manager', async () => {
    await using aws = await AwsPeer.start();
    aws.put('shop/db', '{"password":"of the page"}');
    await put('ca.pem', aws.peer.ca);
    const lines = [`endpoint: ${aws.peer.url}`, truststore()];
    expect(await resolved('AWS Secrets Manager', { lines, env: awsCredentials })).toBe(
      'of the page',
    );
  });

  test('shows Azure Key Vault', async () => {
    await using azure = await AzurePeer.start();
    azure.put('db-password', 'of the page');
    await put('ca.pem', azure.peer.ca);
    await put('entra-secret', 'entra-secret');
    const lines = [`loginUrl: ${azure.peer.url}`, truststore()];
    const places: [string, string][] = [['https://shop.vault.azure.net', azure.peer.url]];
    expect(await resolved('Azure Key Vault', { lines, places })).toBe('of the page');
  });

  test('shows Kubernetes', async () => {
    await using kubernetes = await KubernetesPeer.start();
    kubernetes.put('db', { password: 'of the page' });
    await put('ca.pem', kubernetes.peer.ca);
    await put('token', kubernetes.token);
    const lines = [`tokenFile: ${join(home.path, 'token')}`, truststore()];
    const places: [string, string][] = [['https://kubernetes.default.svc', kubernetes.peer.url]];
    expect(await resolved('Kubernetes', { lines, places })).toBe('of the page');
  });

  test('shows files, variables and commands', async () => {
    await put('secrets/db-password', 'of the page\n');
    expect(await resolved('Files')).toBe('of the page');
    expect(await resolved('Variables', { env: { DB_PASSWORD: 'of the page' } })).toBe(
      'of the page',
    );
    expect(await resolved('Commands')).toBe('of the page');
  });

  test('shows configurations that are valid, and URIs that the control plane and the agent take', async () => {
    for (const yaml of blocks(page)) {
      await put('agent.yaml', yaml);
      const file = join(home.path, 'agent.yaml');
      expect(await runAgent(['config', 'check', '--config', file])).toMatchObject({ code: 0 });
    }
    expect(urisIn(page)).toHaveLength(8);
    for (const uri of urisIn(page)) {
      expect(secretReference.parse(uri)).toBe(uri);
      expect(parseReference(uri, 'the page')).toMatchObject({ scheme: uri.split(':')[0] });
    }
  });

  test('says of each failure what a program gets', () => {
    const rows = [...section('How long a value is held').matchAll(/(\d{3}) `(reference\.\w+)`/g)];
    const shown = new Map(rows.map(([, status, code]) => [code, Number(status)]));
    const own = Object.entries(statuses).filter(([code]) => code.startsWith('reference.'));
    expect(shown).toEqual(new Map(own));
  });
});

describe('[SG-35] doctor looks at what references are found by', () => {
  async function doctor(yaml: string): Promise<Record<string, unknown>[]> {
    await put('agent.yaml', yaml);
    const config = ['--config', join(home.path, 'agent.yaml')];
    const state = ['--state-dir', join(home.path, 'state')];
    const { stdout } = await runAgent(['doctor', '--json', ...config, ...state]);
    const { findings } = JSON.parse(stdout);
    return findings.filter(({ check }: { check: string }) => check === 'references');
  }

  test('and finds nothing wrong where all is there', async () => {
    await put('secret-id', 'the-id');
    await cp('/bin/true', join(home.path, 'print'));
    const yaml = `references:
  vault: { url: 'https://vault.example', auth: approle, roleId: x, secretIdFile: ${home.path}/secret-id }
  file: { directories: [${home.path}] }
  exec: { commands: { print: { argv: [${home.path}/print] } } }
tokenReference: exec://print
`;
    const found = await doctor(yaml);
    expect(found.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']);
    expect(await doctor('')).toMatchObject([{ outcome: 'ok', detail: 'none is set up' }]);
  });

  test('and names each thing that is missing, with the key', async () => {
    const yaml = `references:
  vault: { url: 'https://vault.example', auth: token, tokenFile: ${home.path}/none, truststore: { file: ${home.path}/no-ca } }
  file: { directories: [${home.path}/nowhere] }
  env: { names: [NOT_SET_HERE] }
  exec: { commands: { print: { argv: [${home.path}/print] } } }
tokenReference: k8s://shop/agent/token
`;
    const found = await doctor(yaml);
    expect(found.map(({ outcome, ...told }) => [outcome, JSON.stringify(told)])).toEqual([
      ['failed', expect.stringContaining('references.vault.truststore.file')],
      ['failed', expect.stringContaining('references.vault.tokenFile')],
      ['failed', expect.stringContaining('references.file.directories')],
      ['failed', expect.stringContaining('references.exec.commands.print')],
      ['warning', expect.stringContaining('NOT_SET_HERE')],
      ['failed', expect.stringContaining('k8s://, which is not set up')],
    ]);
  });
});
