import { counted, type AgentMethod } from '@sallyport/contract';
import { AppError } from '../platform/app-error.ts';
import type { ClientIdentity } from '../platform/client-identity.ts';

/** What a revoked agent is told, and what makes it wipe its cache. */
export function agentRevoked(): AppError {
  return new AppError(
    'agent.revoked',
    'This agent was revoked; enrol it again if it should come back.',
  );
}

/** Told to an access token of the group before: the agent opens another session, which tells it where it is. */
export function agentMoved(): AppError {
  return new AppError(
    'access_token.expired',
    'This agent was moved to another group, which ended the session; open a new one.',
  );
}

/** Told to a session that is not the agent's newest: to open another, its state directory must show where it stands. */
export function sessionSuperseded(): AppError {
  return new AppError(
    'access_token.expired',
    'Another session of this agent was opened since, which ended this one; open a new one.',
  );
}

/** Told to who would enrol with what is banned. */
export function agentBanned(): AppError {
  return new AppError(
    'agent.banned',
    'This agent’s keys, or its name in this group, are banned; ask an administrator to lift the ban.',
  );
}

export function keysTaken(cause: unknown): AppError {
  return new AppError(
    'agent.keys_taken',
    'These keys belong to an agent already; enrol with new ones.',
    { cause },
  );
}

export function agentUnknown(): AppError {
  return new AppError('agent.unknown', 'No agent of this id is enrolled here; enrol it again.');
}

/** Told to whichever of two hosts with the same state comes second. */
export function agentCloned(): AppError {
  return new AppError(
    'agent.cloned',
    'This agent’s state was used elsewhere since it was here: a copy of it runs, or an old backup was put back. If this host is the right one, enrol it anew and revoke the agent that it was, which the copy still is.',
  );
}

export function methodRefused(method: AgentMethod, allowed: readonly AgentMethod[]): AppError {
  const ways = allowed.map((each) => METHODS[each]).join(' or ');
  return new AppError(
    'agent.method_refused',
    `This group’s agents may not open sessions with ${METHODS[method]}, but with ${ways}; set the agent’s authentication to that, or have an administrator allow the other for the group.`,
  );
}

const METHODS: Record<AgentMethod, string> = {
  key: 'their key alone',
  token: 'an agent token',
  certificate: 'a client certificate',
};

/** Told to an agent whose key alone opens no session in its group, and whose time to recover with it is over. */
export function recoveryOver(days: number): AppError {
  return new AppError(
    'agent.method_refused',
    `This agent has had no certificate for more than ${counted(days, 'day')}, which is as long as its key alone may ask for one here; enrol it again, or allow its group key until it has one.`,
  );
}

export function clientCertificateRequired(): AppError {
  return new AppError(
    'client_certificate.required',
    'This needs a connection made with the agent’s client certificate. A proxy that ends TLS on the way takes it off: let it pass the connection through.',
  );
}

export function clientCertificateUntrusted(): AppError {
  return new AppError(
    'client_certificate.untrusted',
    'The client certificate is of no CA that is trusted here; ask for a new one, have its keystore hold every intermediate certificate, or have its CA added to the file of agentApi.truststore.',
  );
}

export function clientCertificateExpired(): AppError {
  return new AppError(
    'client_certificate.expired',
    'The client certificate has expired; ask for a new one with the agent’s key, or renew the one in the agent’s keystore.',
  );
}

/** Also for one that was issued for another trust domain or agent. */
export function clientCertificateUnknown(): AppError {
  return new AppError(
    'client_certificate.unknown',
    'The client certificate is not known to be an agent’s; ask for a new one with the agent’s key.',
  );
}

/** Of the organisation's own CA, and nobody's. */
export function clientCertificateUnenrolled(): AppError {
  return new AppError(
    'client_certificate.unknown',
    'No agent has the name of this client certificate, of the kind that agentApi.clientIdentity says: enrol with it, or have an operator set the certificateIdentity of the agent.',
  );
}

/** Told of one that came alone, whose issuer is not known here. */
export function clientCertificateIncomplete(): AppError {
  return new AppError(
    'client_certificate.chain_incomplete',
    'The client certificate came without that of its issuer, which is no CA that is trusted here either: put the intermediate certificates into the agent’s keystore, or have its CA added to the file of agentApi.truststore.',
  );
}

export function clientCertificateMisused(): AppError {
  return new AppError(
    'client_certificate.wrong_usage',
    'The client certificate lacks the extended key usage clientAuth; have it issued with that.',
  );
}

const KINDS: Record<ClientIdentity, string> = {
  uri: 'one URI',
  dns: 'one DNS name, without a wildcard,',
  ip: 'one IP address',
  key: 'a key',
};

/** `count` is how many it has of the kind that is asked for. */
export function clientCertificateUnnamed(kind: ClientIdentity, count: number): AppError {
  return new AppError(
    'client_certificate.no_identity',
    `The client certificate must have exactly ${KINDS[kind]} among its subject alternative names, which tells the agent, and has ${count}: have it issued so, or have agentApi.clientIdentity set to what certificates here do have: uri, dns, ip or key.`,
  );
}

export function identityTaken(cause?: unknown): AppError {
  return new AppError(
    'agent.identity_taken',
    'Another agent has this certificate identity: revoke that one, or clear its certificateIdentity.',
    { cause },
  );
}

export function agentTokenRevoked(): AppError {
  return new AppError(
    'agent_token.revoked',
    'This agent token was revoked; put a new one in its place.',
  );
}

export function agentTokenExpired(): AppError {
  return new AppError(
    'agent_token.expired',
    'This agent token has expired; put a new one in its place.',
  );
}

/** Also for a token whose secret is another one. */
export function agentTokenUnknown(): AppError {
  return new AppError(
    'agent_token.unknown',
    'The agent token is not known here; put the one in its place that was made for this agent.',
  );
}
