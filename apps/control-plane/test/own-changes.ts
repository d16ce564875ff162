import { AuthenticatorApp } from './authenticator-app.ts';
import type { Change } from './changes.ts';
import { OWNER_PASSWORD, type TestControlPlane } from './control-plane.ts';
import { field, OperatorClient } from './operator-client.ts';

/** Every change to an operator's own sessions and credentials, done by one of this name, in an order in which each is possible. */
export async function ownChanges(
  { operatorApp, clock }: TestControlPlane,
  owner: OperatorClient,
  name: string,
): Promise<Change[]> {
  const credentials = { name, password: OWNER_PASSWORD };
  await owner.call('POST', '/operators', credentials);
  const holder = await OperatorClient.signedIn(operatorApp, credentials);
  const other = { ...credentials, name: `${name}-2` };
  await owner.call('POST', '/operators', other);
  const leaving = await OperatorClient.signedIn(operatorApp, other);
  let password = OWNER_PASSWORD;
  const apps: AuthenticatorApp[] = [];
  const code = (steps: number) => apps.at(-1)?.code(steps);
  const makeTotp = async () => {
    const reply = await holder.call('POST', '/me/totp', { password });
    if (reply.status === 201) apps.push(new AuthenticatorApp(field(reply.body, 'secret'), clock));
    return reply;
  };
  const changePassword = async () => {
    const chosen = `${password}, changed`;
    const reply = await holder.call('POST', '/me/password', { current: password, new: chosen });
    if (reply.status === 204) password = chosen;
    return reply;
  };
  const changes: [action: string, act: Change['act']][] = [
    ['totp:create', makeTotp],
    ['totp:confirm', () => holder.call('POST', '/me/totp/confirm', { code: code(-1) })],
    ['principal:change-password', changePassword],
    ['totp:delete', () => holder.call('DELETE', '/me/totp', { password, code: code(0) })],
    ['totp:create', makeTotp],
    ['operator:reset-totp', () => owner.call('DELETE', `/operators/${name}/totp`)],
    ['session:delete', () => leaving.call('DELETE', '/sessions')],
  ];
  return changes.map(([action, act]) => ({ action, outcome: 'done', act }));
}
