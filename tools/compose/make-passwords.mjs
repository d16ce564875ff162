// Makes every password of the evaluation once, each readable by the one user that needs it.
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { scramVerifier } from './scram-verifier.mjs';

const SECRETS = '/secrets';
const ROOT = 0;
/** Of the image, which reads `postgres` as root and runs the rest as this one. */
const POSTGRES = 999;
const REDIS = 65_531;
const SALLYPORT = 65_532;

if (!existsSync(`${SECRETS}/complete`)) {
  const owner = newPassword();
  const application = newPassword();
  const redis = newPassword();
  keep(`${SECRETS}/postgres`, ROOT, { password: owner });
  keep(`${SECRETS}/postgres-login`, POSTGRES, { verifier: scramVerifier(application) });
  keep(`${SECRETS}/redis`, REDIS, {
    'redis.conf': `requirepass ${redis}\nsave ""\nappendonly no\ndir /tmp\nmaxmemory-policy noeviction\n`,
  });
  keep(`${SECRETS}/control-plane`, SALLYPORT, {
    'database-owner-url': `postgresql://sallyport:${owner}@postgres:5432/sallyport`,
    'database-url': `postgresql://sallyport_server:${application}@postgres:5432/sallyport`,
    'redis-url': `redis://:${redis}@redis:6379`,
    'root-key': randomBytes(32).toString('base64'),
    'owner-password': newPassword(),
  });
  writeFileSync(`${SECRETS}/complete`, '');
}

function newPassword() {
  return randomBytes(24).toString('base64url');
}

/** Whole or not at all: a folder that a killed run left half full is made anew. */
function keep(folder, owner, files) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    writeFileSync(`${path}.new`, text, { mode: 0o400 });
    chownSync(`${path}.new`, owner, owner);
    renameSync(`${path}.new`, path);
  }
  chownSync(folder, owner, owner);
}
