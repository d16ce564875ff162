import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '@sallyport/config/load';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import type { Scheme } from '../../src/references/reference.ts';
import { AwsPeer, awsCredentials } from './aws-peer.ts';
import { AzurePeer } from './azure-peer.ts';
import { KubernetesPeer } from './kubernetes-peer.ts';
import type { Peer } from './peer.ts';
import { VaultPeer } from './vault-peer.ts';

/** A provider with its real other side, as the contract suite and the tests of the agent see every one of them. */
export type Subject = AsyncDisposable & {
  scheme: Scheme;
  /** Its part of `references`. */
  settings: Record<string, unknown>;
  env: Environment;
  /** What is called so, whole. */
  uriOf(name: string): string;
  /** A field of it; absent where the provider has none. */
  uriOfField?: (name: string, field: string) => string;
  put(name: string, value: string): Promise<void> | void;
  remove(name: string): Promise<void> | void;
  /** Returns the URI of something that the agent may not read. */
  forbid(): Promise<string> | string;
  /** Of a provider that is asked over the network. */
  peer?: Peer;
};

/** A directory for what the agent shows and trusts, removed with the peer. */
async function withFiles(peer: AsyncDisposable & { peer: Peer }, files: Record<string, string>) {
  const home = await createTempDirectory('provider');
  for (const [name, text] of Object.entries({ ...files, 'ca.pem': peer.peer.ca }))
    await writeFile(join(home.path, name), text, { mode: 0o600 });
  return {
    at: (name: string) => join(home.path, name),
    truststore: { file: join(home.path, 'ca.pem') },
    [Symbol.asyncDispose]: async () => {
      await peer[Symbol.asyncDispose]();
      await home.remove();
    },
  };
}

export async function vaultSubject(): Promise<Subject> {
  const vaultPeer = await VaultPeer.start();
  const files = await withFiles(vaultPeer, { token: vaultPeer.mintToken() });
  const { truststore } = files;
  const { url } = vaultPeer.peer;
  return {
    ...files,
    scheme: 'vault',
    settings: { vault: { url, auth: 'token', tokenFile: files.at('token'), truststore } },
    env: {},
    uriOf: (name) => `vault://kv/apps/${name}#value`,
    uriOfField: (name, field) => `vault://kv/apps/${name}#/value/${field}`,
    put: (name, value) => vaultPeer.put(`apps/${name}`, { value: jsonOr(value) }),
    remove: (name) => vaultPeer.delete(`apps/${name}`),
    forbid: () => {
      vaultPeer.forbid('apps/theirs');
      return 'vault://kv/apps/theirs#value';
    },
    peer: vaultPeer.peer,
  };
}

/** Vault keeps members, and not texts of JSON. */
function jsonOr(value: string): unknown {
  return value.startsWith('{') ? JSON.parse(value) : value;
}

async function aws(): Promise<Subject> {
  const awsPeer = await AwsPeer.start();
  const files = await withFiles(awsPeer, {});
  const { truststore } = files;
  const endpoint = awsPeer.peer.url;
  return {
    ...files,
    scheme: 'aws-sm',
    settings: { awsSm: { region: 'eu-central-1', endpoint, truststore } },
    env: awsCredentials,
    uriOf: (name) => `aws-sm://apps/${name}`,
    uriOfField: (name, field) => `aws-sm://apps/${name}#${field}`,
    put: (name, value) => awsPeer.put(`apps/${name}`, value),
    remove: (name) => awsPeer.delete(`apps/${name}`),
    forbid: () => {
      awsPeer.forbid('apps/theirs');
      return 'aws-sm://apps/theirs';
    },
    peer: awsPeer.peer,
  };
}

async function azure(): Promise<Subject> {
  const azurePeer = await AzurePeer.start();
  const files = await withFiles(azurePeer, { 'client-secret': 'entra-secret' });
  const { truststore } = files;
  const { url } = azurePeer.peer;
  return {
    ...files,
    scheme: 'azure-kv',
    settings: {
      azureKv: {
        vaults: { shop: url },
        auth: 'client-secret',
        loginUrl: url,
        tenantId: 'contoso.example',
        clientId: 'agent',
        clientSecretFile: files.at('client-secret'),
        truststore,
      },
    },
    env: {},
    uriOf: (name) => `azure-kv://shop/${name}`,
    put: (name, value) => azurePeer.put(name, value),
    remove: (name) => azurePeer.delete(name),
    forbid: () => {
      azurePeer.forbid('theirs');
      return 'azure-kv://shop/theirs';
    },
    peer: azurePeer.peer,
  };
}

async function kubernetes(): Promise<Subject> {
  const kubernetesPeer = await KubernetesPeer.start();
  const files = await withFiles(kubernetesPeer, { token: kubernetesPeer.token });
  const { truststore } = files;
  const { url } = kubernetesPeer.peer;
  return {
    ...files,
    scheme: 'k8s',
    settings: { k8s: { url, tokenFile: files.at('token'), truststore } },
    env: {},
    uriOf: (name) => `k8s://shop/${name}/value`,
    put: (name, value) => kubernetesPeer.put(name, { value }),
    remove: (name) => kubernetesPeer.delete(name),
    forbid: () => {
      kubernetesPeer.forbid('theirs');
      return 'k8s://shop/theirs/value';
    },
    peer: kubernetesPeer.peer,
  };
}

async function file(): Promise<Subject> {
  const home = await createTempDirectory('provider');
  const at = (name: string) => join(home.path, name);
  return {
    scheme: 'file',
    settings: { file: { directories: [home.path] } },
    env: {},
    uriOf: (name) => `file://${at(name)}`,
    uriOfField: (name, field) => `file://${at(name)}#${field}`,
    put: (name, value) => writeFile(at(name), `${value}\n`, { mode: 0o600 }),
    remove: (name) => rm(at(name)),
    forbid: () => 'file:///etc/hostname',
    [Symbol.asyncDispose]: () => home.remove(),
  };
}

async function environment(): Promise<Subject> {
  const env: Record<string, string> = { THEIRS: 'of another' };
  const nameOf = (name: string) => name.toUpperCase().replaceAll('-', '_');
  return {
    scheme: 'env',
    settings: { env: { names: ['DB_PASSWORD', 'GONE'] } },
    env,
    uriOf: (name) => `env://${nameOf(name)}`,
    put: (name, value) => void (env[nameOf(name)] = value),
    remove: (name) => void delete env[nameOf(name)],
    forbid: () => 'env://THEIRS',
    [Symbol.asyncDispose]: async () => {},
  };
}

async function command(): Promise<Subject> {
  const home: TempDirectory = await createTempDirectory('provider');
  const script = join(home.path, 'print');
  await writeFile(script, '#!/bin/sh\nexec cat "$VALUES/$1"\n');
  await chmod(script, 0o700);
  const commandOf = (name: string) => ({
    argv: [script, name],
    environment: { VALUES: home.path },
  });
  return {
    scheme: 'exec',
    settings: { exec: { commands: { 'db-password': commandOf('db-password') } } },
    env: {},
    uriOf: (name) => `exec://${name}`,
    uriOfField: (name, field) => `exec://${name}#${field}`,
    put: (name, value) => writeFile(join(home.path, name), `${value}\n`),
    remove: () => {},
    forbid: () => 'exec://theirs',
    [Symbol.asyncDispose]: () => home.remove(),
  };
}

/** Every provider there is. */
export const subjects: readonly (readonly [string, () => Promise<Subject>])[] = [
  ['Vault', vaultSubject],
  ['AWS Secrets Manager', aws],
  ['Azure Key Vault', azure],
  ['Kubernetes', kubernetes],
  ['files', file],
  ['the environment', environment],
  ['commands', command],
];
