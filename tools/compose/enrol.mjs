// Enrols the agent with the token that bootstrap left, once, and removes the token, whatever becomes of it: one that
// has expired or is used up would be in the way of the next that bootstrap makes.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';

const AGENT = '/var/lib/sallyport-agent';
const state = `${AGENT}/state`;

try {
  if (!existsSync(`${state}/identity.json`)) enrol();
} finally {
  rmSync(`${AGENT}/token`, { force: true });
}

function enrol() {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const enroll = ['enroll', '--state-dir', state, '--name', 'evaluation-agent'];
  const at = ['--url', 'https://control-plane:9443', '--ca-file', `${AGENT}/ca.pem`];
  execFileSync(
    process.execPath,
    ['/opt/sallyport/sallyport-agent.mjs', ...enroll, ...at, '--token-file', `${AGENT}/token`],
    { stdio: 'inherit' },
  );
}
