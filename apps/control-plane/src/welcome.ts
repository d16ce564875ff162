import type { ControlPlane } from './compose.ts';
import type { FirstOwner } from './operators/index.ts';
import type { ServerConfig } from './platform/config.ts';

/** What a person who starts a control plane needs next. The generated password is in it once. */
export function welcome(
  { operatorApp, agentUrl, caFingerprint, operatorFingerprint }: ControlPlane,
  config: ServerConfig,
  firstOwner: FirstOwner | undefined,
): string {
  if (!config.roles.includes('operator-api')) return 'Sallyport is running.\n';
  const url = operatorApp.listeningOrigin;
  const name = firstOwner?.name ?? config.owner.name;
  const password = firstOwner?.generatedPassword;
  const lines = [
    'Sallyport is running.',
    '',
    `  Operator API   ${url}   (documentation at ${url}/docs)`,
    ...(config.roles.includes('agent-api') ? [`  Agent API      ${agentUrl()}`] : []),
    ...(operatorFingerprint === caFingerprint
      ? [`  Fingerprint    ${caFingerprint}`]
      : [
          `  Fingerprint    ${caFingerprint}   (agent API)`,
          `  Fingerprint    ${operatorFingerprint}   (operator API)`,
        ]),
    `  Owner          ${name}`,
    ...(password === undefined
      ? []
      : [`  Password       ${password}   (shown this once: keep it)`]),
    '',
    'To enrol an agent:',
    `  bin/sallyport login --url ${url} --fingerprint ${operatorFingerprint} --name ${name}`,
    ...(firstOwner === undefined
      ? ['  bin/sallyport token create --group demo   # or another: bin/sallyport group list']
      : ['  bin/sallyport group create demo && bin/sallyport token create --group demo']),
    `  bin/sallyport-agent enroll --url ${config.roles.includes('agent-api') ? agentUrl() : 'https://<agent API>'} --fingerprint ${caFingerprint} --token-file -`,
    '',
    'Then run the agent with: bin/sallyport-agent run',
    '',
  ];
  return `${lines.join('\n')}\n`;
}
