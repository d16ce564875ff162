import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';

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

function sectionOf(text: string): Section {
  const examples = [...text.matchAll(/^```yaml\n([^`]*)^```/gm)].map(([, yaml = '']) => yaml);
  return { text, shown: new Set(examples.flatMap((yaml) => pathsOf(parse(yaml)))) };
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

test('[AX-22] a setting that no guide shows, or that is named beside another block alone, is found', () => {
  expect(isExplained('references.vault.secretIdFile')).toBe(true);
  expect(isExplained('references.vault.anotherFile')).toBe(false);
  expect(isExplained('references.azureKv.secretIdFile')).toBe(false);
});
