import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { settingsOf } from '@sallyport/config/settings';
import { links } from '@sallyport/tls/link-registry';
import { agentConfig } from '../apps/agent/src/config.ts';
import { cliSettings } from '../apps/cli/src/tls-settings.ts';
import { serverConfig } from '../apps/control-plane/src/platform/config.ts';
import { linkTable, suiteTable } from './tls-tables.ts';

const root = join(import.meta.dirname, '..');

/** What opens a connection or listens, by the module that it is imported from. */
const openers: Record<string, readonly string[]> = {
  'node:http': ['createServer', 'get', 'request', 'Agent', 'Server'],
  'node:https': ['createServer', 'get', 'request', 'Agent', 'Server'],
  'node:http2': ['createServer', 'createSecureServer', 'connect'],
  'node:tls': ['createServer', 'connect', 'Server'],
  'node:net': ['createServer', 'createConnection', 'connect', 'Server'],
  'node:dgram': ['createSocket'],
  '@aws-sdk/client-secrets-manager': ['SecretsManagerClient'],
  '@prisma/adapter-pg': ['PrismaPg'],
  '@sallyport/tls/accept-pinned-ca': ['acceptPinnedCa'],
  '@sallyport/tls/accepted-connections': ['AcceptedConnections'],
  '@sallyport/tls/dial-agent': ['dialAgent'],
  '@sallyport/tls/https-link': ['HttpsLink'],
  '@sallyport/tls/link-probe': ['probeLink', 'probeOffers'],
  '@sallyport/tls/pin': ['fetchPinnedCa'],
  './create-app.ts': ['createApp'],
  fastify: ['Fastify'],
  ioredis: ['Redis'],
  pg: ['pg'],
  undici: ['fetch', 'request', 'Agent'],
};

/** Makes an application that it asks itself, and that never listens. */
const SILENT = 'apps/control-plane/src/http/security-headers.ts';

/** Whether a source imports, or calls as a global, something that opens a link. */
function opensLink(source: string): boolean {
  if (/(?<![.\w])fetch\(|new WebSocket\(/.test(source)) return true;
  const imports = source.matchAll(/^import (?!type )([^;]*?) from '([^']+)';/gm);
  return [...imports].some(([, names = '', module = '']) => {
    const imported = names.split(/[{},]/).map((name) => name.trim().split(' as ')[0] ?? '');
    return imported.some((name) => openers[module]?.includes(name));
  });
}

/** packages/tls is how links are opened, and opens none of its own accord. */
function filesThatOpenLinks(): string[] {
  const folders = ['apps/agent', 'apps/cli', 'apps/control-plane'].concat(
    ['config', 'contract', 'crypto', 'embedded-postgres'].map((name) => `packages/${name}`),
  );
  return folders
    .flatMap((folder) =>
      readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' }).map((file) =>
        join(folder, 'src', file),
      ),
    )
    .filter((file) => /(?<!\.test)\.ts$/.test(file) && !file.includes('prisma-client'))
    .filter((file) => file !== SILENT)
    .filter((file) => opensLink(readFileSync(join(root, file), 'utf8')))
    .toSorted();
}

describe('the registry of links', () => {
  test('[AX-02] has every file that listens or connects, and no other', () => {
    const listed = new Set(links.flatMap(({ openedIn }) => openedIn));
    expect(filesThatOpenLinks()).toEqual([...listed].toSorted());
  });

  test('[AX-02] the search finds a link in a source, and none where there is none', () => {
    expect(opensLink("import pg from 'pg';")).toBe(true);
    expect(opensLink("import { once } from 'a';\nimport { isIP, connect } from 'node:net';")).toBe(
      true,
    );
    expect(opensLink("import {\n  Agent,\n} from 'node:https';")).toBe(true);
    expect(opensLink("import { request as ask } from 'node:https';")).toBe(true);
    expect(opensLink('const reply = await fetch(url);')).toBe(true);
    expect(opensLink("import type pg from 'pg';")).toBe(false);
    expect(
      opensLink("import { type HttpsLink, LinkError } from '@sallyport/tls/https-link';"),
    ).toBe(false);
    expect(opensLink("import { isIP } from 'node:net';\nthis.prefetch(1);")).toBe(false);
  });

  test('[AX-02] has every tls block of the settings, and each has all of its keys', () => {
    const keys = [serverConfig, agentConfig, cliSettings].flatMap((schema) =>
      settingsOf(schema).map(({ key }) => key),
    );
    const named = [...new Set(links.flatMap(({ tls }) => ('blocks' in tls ? tls.blocks : [])))];
    const each = ['minVersion', 'maxVersion', 'allowLegacy', 'cipherSuites', 'groups'];
    expect(keys.filter((key) => /\btls\b/i.test(key)).toSorted()).toEqual(
      named.flatMap((block) => each.map((key) => `${block}.${key}`)).toSorted(),
    );
  });

  test('[AX-02] every link that is no block says why nothing can be set', () => {
    for (const { name, tls } of links)
      if ('fixed' in tls)
        expect({ name, why: tls.fixed }).toEqual({ name, why: expect.stringMatching(/.{20}/) });
  });
});

describe('docs/tls.md', () => {
  const page = readFileSync(join(root, 'docs/tls.md'), 'utf8');
  const cellsOf = (line: string) =>
    line.split('|').map((cell) => cell.trim().replace(/^:?-+:?$/, '-'));
  const shown = (name: string) =>
    (page.split(`<!-- ${name} -->`)[1]?.split(`<!-- end of ${name} -->`)[0] ?? '')
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map(cellsOf);

  test('[AX-02] shows the links of the registry, every one and no other', () => {
    expect(shown('links')).toEqual(linkTable().map(cellsOf));
  });

  test('[AX-08] [AX-09] [AX-10] shows the 25 cipher suites, the default, the weak and the refused', () => {
    expect(shown('suites')).toEqual(suiteTable().map(cellsOf));
    const standings = shown('suites')
      .slice(2)
      .map((cells) => cells[4]);
    const count = (standing: string) => standings.filter((each) => each === standing).length;
    expect(standings).toHaveLength(25);
    expect(['default', 'weak', 'refused: not provided'].map(count)).toEqual([9, 11, 5]);
  });
});

describe('docs/configuration.md', () => {
  const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8');

  /** The keys that the page has under a program's heading, each with its variable. */
  function documented(program: string): string[] {
    const section = page.split(`## ${program}\n`)[1]?.split('\n## ')[0] ?? '';
    return section
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) =>
        line
          .split('|')
          .slice(1, 3)
          .map((cell) => cell.trim().replaceAll('`', ''))
          .join(' '),
      );
  }

  test.each([
    ['sallyport-server', serverConfig],
    ['sallyport-agent', agentConfig],
    ['sallyport', cliSettings],
  ])('[AX-11] has every key of %s with its variable, and no other', (program, schema) => {
    const settings = settingsOf(schema).map(
      ({ key, variable }) => `${key} ${variable ?? 'file only'}`,
    );
    expect(documented(program)).toEqual(settings);
    expect(documented('another-program')).toEqual([]);
  });
});
