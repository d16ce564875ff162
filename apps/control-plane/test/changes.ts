import { randomUUID } from 'node:crypto';
import { certificateAuthorityList, PROTOCOL } from '@sallyport/contract';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { offlineHost } from './admission.ts';
import { AgentClient } from './agent-client.ts';
import { placeAll } from './audit/chain.ts';
import { OWNER_PASSWORD, type TestControlPlane } from './control-plane.ts';
import { field, OperatorClient, type Reply } from './operator-client.ts';
import { ownChanges } from './own-changes.ts';

/** A change that the API knows: what it is in the audit, how it ends, and the act itself. */
export type Change = { action: string; outcome: 'done' | 'refused'; act: () => Promise<Reply> };

/** Every change that the API knows, done to one group, in an order in which each is possible. */
export async function everyChange(
  controlPlane: TestControlPlane,
  owner: OperatorClient,
  groupName: string,
): Promise<Change[]> {
  const { operatorApp, agentApp, clock } = controlPlane;
  const group = `/groups/${groupName}`;
  const { chain, key } = await selfSigned();
  const agent = await AgentClient.create(agentApp, clock);
  const late = await AgentClient.create(agentApp, clock);
  const leaving = await OperatorClient.signedIn(operatorApp);
  // What tells where agents go has to listen there.
  if (!controlPlane.agentApp.server.listening)
    await controlPlane.agentApp.listen({ host: '127.0.0.1', port: 0 });
  await placeAll(controlPlane);
  const besides = `besides-${groupName}`;
  await owner.call('POST', '/groups', { name: besides });
  const own = await ownChanges(controlPlane, owner, `holder-of-${groupName}`);
  let token = '';
  let tokenId = '';
  let agentTokenId = '';
  let bindingId = '';
  let keyId = '';
  let banId = '';
  const leaseId = randomUUID();
  const lease = { ttlSeconds: 60, maxTtlSeconds: 60, maxUses: null, windows: [] };
  /** Does something, and keeps the id that the reply brings. */
  const keeping = async (keep: (id: string) => void, act: Promise<Reply>) => {
    const reply = await act;
    if (reply.status < 300) keep(field(reply.body, 'id'));
    return reply;
  };
  const type = { schema: { type: 'object' } };
  const held = { role: 'viewer', group: groupName };
  const makeToken = async () => {
    const reply = await owner.call('POST', `${group}/enrollment-tokens`, {});
    if (reply.status === 201)
      [token, tokenId] = [field(reply.body, 'token'), field(reply.body, 'id')];
    return reply;
  };
  const generation = (next: string) => ({ current: null, next: next.padEnd(22, '0') });
  const signIn = (password: string) =>
    new OperatorClient(operatorApp).call('POST', '/sessions', { name: 'owner', password });
  const done = (action: string, act: () => Promise<Reply>): Change => ({
    action,
    outcome: 'done',
    act,
  });
  const refused = (action: string, act: () => Promise<Reply>): Change => ({
    action,
    outcome: 'refused',
    act,
  });
  return [
    refused('session:create', () => signIn('not the password')),
    done('session:create', () => signIn(OWNER_PASSWORD)),
    done('session:delete', () => leaving.call('DELETE', '/sessions/current')),
    ...own,
    done('group:create', () => owner.call('POST', '/groups', { name: groupName })),
    done('group:update', () =>
      owner.call('PATCH', group, { agentMethods: ['key', 'certificate'] }),
    ),
    done('keyring:rotate', () => owner.call('POST', `${group}/keyring/rotate`)),
    done('operator:create', () =>
      owner.call('POST', '/operators', { name: 'new', password: OWNER_PASSWORD }),
    ),
    done('operator:reset-password', () =>
      owner.call('PUT', '/operators/new/password', { password: OWNER_PASSWORD }),
    ),
    done('role-binding:create', () =>
      keeping(
        (id) => (bindingId = id),
        owner.call('POST', '/role-bindings', { operator: 'new', ...held }),
      ),
    ),
    done('role-binding:delete', () => owner.call('DELETE', `/role-bindings/${bindingId}`)),
    done('operator:delete', () => owner.call('DELETE', '/operators/new')),
    done('api-key:create', () =>
      keeping((id) => (keyId = id), owner.call('POST', '/api-keys', { name: 'ci', roles: [held] })),
    ),
    done('api-key:rotate', () => owner.call('POST', `/api-keys/${keyId}/rotate`, {})),
    done('api-key:revoke', () => owner.call('POST', `/api-keys/${keyId}/revoke`)),
    done('enrollment-token:create', makeToken),
    done('agent:enroll', async () => {
      const reply = await agent.enroll(token);
      // Of which a copy is told apart later.
      if (reply.status === 201) await agent.openSession(undefined, generation('one'));
      return reply;
    }),
    refused('agent:enroll', () => late.enroll(token)),
    done('agent:admit', async () =>
      owner.call('POST', `${group}/agents`, (await offlineHost()).request),
    ),
    done('bundle:export', () => owner.call('POST', `/agents/${agent.id}/bundle`, {})),
    done('agent:certify', async () => {
      const { csr } = await createCertificateRequest();
      return agent.call('POST', '/certificate', { protocol: PROTOCOL, csr });
    }),
    done('enrollment-token:revoke', () =>
      owner.call('DELETE', `${group}/enrollment-tokens/${tokenId}`),
    ),
    done('agent-token:create', () =>
      keeping((id) => (agentTokenId = id), owner.call('POST', `/agents/${agent.id}/tokens`, {})),
    ),
    done('agent-token:rotate', () =>
      owner.call('POST', `/agents/${agent.id}/tokens/${agentTokenId}/rotate`, {}),
    ),
    done('agent-token:revoke', () =>
      owner.call('POST', `/agents/${agent.id}/tokens/${agentTokenId}/revoke`),
    ),
    done('agent:clone', () => agent.openSession(undefined, generation('two'))),
    done('link:create', () =>
      owner.call('POST', `${group}/links`, { name: 'l', address: 'agent.test:9444' }),
    ),
    done('link:delete', () => owner.call('DELETE', `${group}/links/l`)),
    done('task:create', () =>
      owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' }),
    ),
    done('secret:write', () => owner.call('PUT', `${group}/secrets/a`, { value: 'value' })),
    done('secret:update', () => owner.call('PATCH', `${group}/secrets/a`, { offline: 'allow' })),
    done('secret:restore', () => owner.call('POST', `${group}/secrets/a/restore`, { version: 1 })),
    done('secret:reveal', () => owner.call('POST', `${group}/secrets/a/reveal`, {})),
    done('secret:write', () => owner.call('PUT', `${group}/secrets/lent`, { value: 'v', lease })),
    done('lease:grant', () => agent.takeLease('lent', { id: leaseId, ttlSeconds: 10 })),
    done('lease:renew', () =>
      agent.call('POST', `/leases/${leaseId}/renew`, { protocol: PROTOCOL, requestId: 'r' }),
    ),
    done('lease:revoke', () => owner.call('POST', `${group}/leases/${leaseId}/revoke`)),
    done('secret:delete', () => owner.call('DELETE', `${group}/secrets/a`)),
    done('plugin-type:write', () => owner.call('POST', '/plugin-types', { name: 't', ...type })),
    done('plugin-type:check', () => owner.call('POST', '/plugin-types/t/check', type)),
    done('plugin-type:write', () => owner.call('PUT', '/plugin-types/t', type)),
    done('plugin-type:delete', () => owner.call('DELETE', '/plugin-types/t')),
    done('plugin:write', () => owner.call('PUT', `${group}/plugins/p`, { config: { a: 1 } })),
    done('plugin:write', () => owner.call('PATCH', `${group}/plugins/p`, { config: { b: 1 } })),
    done('plugin:delete', () => owner.call('DELETE', `${group}/plugins/p`)),
    done('certificate:write', () => owner.call('PUT', `${group}/certificates/c`, { chain, key })),
    done('certificate:delete', () => owner.call('DELETE', `${group}/certificates/c`)),
    done('audit:checkpoint', () => owner.call('POST', '/audit/checkpoints')),
    done('audit:export', () => owner.call('GET', '/audit/export')),
    done('agent:move', () => owner.call('POST', `/agents/${agent.id}/move`, { group: besides })),
    done('agent:update', () =>
      owner.call('PATCH', `/agents/${agent.id}`, { certificateIdentity: 'dns:db-7.corp' }),
    ),
    done('agent:revoke', () => owner.call('POST', `/agents/${agent.id}/revoke`)),
    done('agent:ban', () =>
      keeping((id) => (banId = id), owner.call('POST', `/agents/${agent.id}/ban`, {})),
    ),
    done('agent:unban', () => owner.call('DELETE', `/groups/${besides}/bans/${banId}`)),
    done('group:delete', () => owner.call('DELETE', `/groups/${besides}`)),
    ...authorityChanges(owner),
  ];
}

/** A CA is prepared and given up, and another takes over for good. */
function authorityChanges(owner: OperatorClient): Change[] {
  const path = '/certificate-authorities';
  let [before, next] = ['', ''];
  const change = (verb: string, act: () => Promise<Reply>): Change => ({
    action: `certificate-authority:${verb}`,
    outcome: 'done',
    act,
  });
  const prepare = change('prepare', async () => {
    const { body } = await owner.call('GET', path);
    before = certificateAuthorityList.parse(body).items.at(-1)?.id ?? '';
    const reply = await owner.call('POST', path);
    if (reply.status === 201) next = field(reply.body, 'id');
    return reply;
  });
  return [
    prepare,
    change('delete', () => owner.call('DELETE', `${path}/${next}`)),
    prepare,
    change('activate', () => owner.call('POST', `${path}/${next}/activate`)),
    change('retire', () => owner.call('POST', `${path}/${before}/retire`)),
  ];
}
