// Makes a group, a secret and a token for one agent, as an operator would, once.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, renameSync, writeFileSync } from 'node:fs';

const AGENT = '/var/lib/sallyport-agent';
const GROUP = 'evaluation';

if (!existsSync(`${AGENT}/state/identity.json`) && !existsSync(`${AGENT}/token`)) {
  copyFileSync('/var/lib/sallyport/ca.pem', `${AGENT}/ca.pem`);
  const password = ['--password-file', '/secrets/control-plane/owner-password'];
  const at = ['--url', 'https://control-plane:8443', '--ca-file', `${AGENT}/ca.pem`];
  sallyport(['login', ...at, ...password]);
  if (!sallyport(['group', 'list', '--json']).includes(`"${GROUP}"`))
    sallyport(['group', 'create', GROUP]);
  const secret = ['secret', 'set', '--group', GROUP, '--offline', 'allow', '--file', '-'];
  sallyport([...secret, 'app/password'], randomBytes(18).toString('base64url'));
  const { token } = JSON.parse(sallyport(['token', 'create', '--group', GROUP, '--json']));
  writeFileSync(`${AGENT}/token.new`, token, { mode: 0o600 });
  renameSync(`${AGENT}/token.new`, `${AGENT}/token`);
  sallyport(['logout']);
}

function sallyport(args, input = '') {
  return execFileSync(process.execPath, ['/opt/sallyport/sallyport.mjs', ...args], {
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}
