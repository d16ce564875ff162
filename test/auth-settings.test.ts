import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const docs = join(import.meta.dirname, '../docs');
const read = (page: string) => readFileSync(join(docs, page), 'utf8');

/** Settings by which somebody proves who it is, or by which that is judged. */
const ABOUT_IDENTITY =
  /^(?:agentCertificates|apiKeys|authentication|fips|owner|passwordHash|sessions|tokenFile)|keystore|truststore|controlPlane\.ca$|controlPlaneName|clientIdentity|signIns|proxy\.(?:url|password)/;

/** Every key of docs/configuration.md, which a check holds against the schemas. */
const keys = [...read('configuration.md').matchAll(/^\| `([^`]+)` \|/gm)].map(
  ([, key = '']) => key,
);
/** The pages that say how to deploy: their commands are run by the stories. */
const guides = readdirSync(docs)
  .filter((page) => page.endsWith('.md') && page !== 'configuration.md')
  .map(read)
  .join('\n');

test('[AX-22] every setting by which somebody proves who it is stands in a guide', () => {
  const asked = keys.filter((key) => ABOUT_IDENTITY.test(key));
  expect(asked.length).toBeGreaterThan(20);
  // A block of a file, its type and its password is explained as one.
  const named = (key: string) => key.replace(/\.(?:file|type|password)$/, '');
  const known = (key: string) => guides.includes(`\`${key}\``) || guides.includes(`\`${key}:`);
  expect(asked.filter((key) => !known(key) && !known(named(key)))).toEqual([]);
});
