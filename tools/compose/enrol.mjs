// Enrols the agent with the token that bootstrap left, once, and removes the token.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';

const AGENT = '/var/lib/sallyport-agent';
const state = `${AGENT}/state`;

if (!existsSync(`${state}/identity.json`)) {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const enroll = ['enroll', '--state-dir', state, '--name', 'evaluation-agent'];
  const at = ['--url', 'https://control-plane:9443', '--ca-file', `${AGENT}/ca.pem`];
  execFileSync(
    process.execPath,
    ['/opt/sallyport/sallyport-agent.mjs', ...enroll, ...at, '--token-file', `${AGENT}/token`],
    { stdio: 'inherit' },
  );
}
rmSync(`${AGENT}/token`, { force: true });
