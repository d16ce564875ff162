import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { agentConfig } from '../apps/agent/src/config.ts';
import { serverConfig } from '../apps/control-plane/src/platform/config.ts';

const docs = join(import.meta.dirname, '../docs');
const read = (page: string) => readFileSync(join(docs, page), 'utf8');

/** Settings by which somebody proves who it is, or by which that is judged. */
const ABOUT_IDENTITY =
  /^(?:agentCertificates|apiKeys|authentication|fips|owner|passwordHash|sessions)|keystore|truststore|controlPlane\.(?:ca|name)$|controlPlaneName|clientIdentity|signIns|proxy\.(?:url|password)|\.auth$|(?:clientId|roleId|token(?:File|Reference)|(?:clientSecret|federatedToken|secretId|serviceAccountToken)File)$/;

/** Every key of docs/configuration.md, which a check holds against the schemas. */
const keys = [...read('configuration.md').matchAll(/^\| `([^`]+)` \|/gm)].map(
  ([, key = '']) => key,
);

/** `a.b` and `a` of `a: { b: 1 }`. */
function pathsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const own = path === '' ? name : `${path}.${name}`;
    return [own, ...pathsOf(inner, own)];
  });
}

type Section = { text: string; shown: ReadonlySet<string> };

const examplesIn = (text: string): unknown[] =>
  [...text.matchAll(/^```yaml\n([^`]*)^```/gm)].map(([, yaml = '']) => parse(yaml));

function sectionOf(text: string): Section {
  return { text, shown: new Set(examplesIn(text).flatMap((example) => pathsOf(example))) };
}

const names = ({ text }: Section, key: string) =>
  text.includes(`\`${key}\``) || text.includes(`\`${key}:`);

/** The pages that say how to deploy: their commands and examples are run by the stories and the tests of pages. */
const guides = readdirSync(docs)
  .filter((page) => page.endsWith('.md') && page !== 'configuration.md')
  .map(read)
  .flatMap((page) => page.split(/^## /m).map(sectionOf));

/** Shown in an example, named in full, or named beside an example of its block. */
function isExplained(key: string): boolean {
  const dot = key.lastIndexOf('.');
  const [block, name] = [key.slice(0, Math.max(dot, 0)), key.slice(dot + 1)];
  return guides.some(
    (section) =>
      section.shown.has(key) ||
      names(section, key) ||
      (section.shown.has(block) && names(section, name)),
  );
}

test('[AX-22] every setting by which somebody proves who it is stands in a guide', () => {
  const asked = keys.filter((key) => ABOUT_IDENTITY.test(key));
  expect(asked).toEqual(
    expect.arrayContaining([
      'tokenFile',
      'tokenReference',
      'localApi.tcp.tokenFile',
      'references.vault.tokenFile',
      'references.vault.secretIdFile',
      'references.vault.serviceAccountTokenFile',
      'references.azureKv.clientSecretFile',
      'references.azureKv.federatedTokenFile',
      'references.k8s.tokenFile',
    ]),
  );
  // A block of a file, its type and its password is explained as one.
  const named = (key: string) => key.replace(/\.(?:file|type|password)$/, '');
  expect(asked.filter((key) => !isExplained(key) && !isExplained(named(key)))).toEqual([]);
});

test.each([
  ['own-ca.md', 2],
  ['proxies.md', 1],
  ['references.md', 10],
  ['tls.md', 2],
])('[AX-22] %s shows examples, %i, that a program takes whole', (page, count) => {
  const examples = examplesIn(read(page));
  expect(examples).toHaveLength(count);
  const isTaken = (example: unknown) =>
    [serverConfig, agentConfig].some((schema) => schema.safeParse(example).success);
  expect(examples.filter((example) => !isTaken(example))).toEqual([]);
  expect(isTaken({ ...Object(examples[0]), another: {} })).toBe(false);
});

test('[AX-22] a setting that no guide shows, or that is named beside another block alone, is found', () => {
  expect(isExplained('references.vault.secretIdFile')).toBe(true);
  expect(isExplained('references.vault.anotherFile')).toBe(false);
  expect(isExplained('references.azureKv.secretIdFile')).toBe(false);
});
