import type { PasswordPolicy } from '@sallyport/crypto/password';
import type { AuditRow } from './audit-row.ts';
import type { Batches } from './batches.ts';
import type { BoundedPool } from './bounded-pool.ts';
import type { ClientIdentity } from './client-identity.ts';
import type { Clock } from './clock.ts';
import type { Database } from './db.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { RootKeys } from './root-keys.ts';
import type { Turns } from './turns.ts';

/** The client certificates that the control plane issues to agents. */
export type AgentCertificatePolicy = {
  trustDomain: string;
  lifetimeHours: number;
  recoveryDays: number;
};

/** What every slice stands on; made once, by `compose.ts`. */
export type Platform = {
  clock: Clock;
  log: Log;
  db: Database;
  rootKeys: RootKeys;
  passwordPolicy: PasswordPolicy;
  /** PBKDF2 iterations for the secret of a token. */
  tokenIterations: number;
  /** For operators who are let in, and what they make. Callers who are not have queues of their own, below. */
  hashing: BoundedPool;
  /** For the passwords of sign-ins, which anybody may try. */
  passwordHashing: BoundedPool;
  /** For enrollment tokens: whoever once held one may try its id for ever. */
  enrollmentHashing: BoundedPool;
  /** For agent tokens, which only the agent's own key can have checked. */
  agentTokenHashing: BoundedPool;
  /** For API keys, likewise. */
  apiKeyHashing: BoundedPool;
  /** By group: writers of one group wait for each other anyway, and must not hold every connection while they do. */
  groupTurns: Turns;
  /** Acts that nothing else is written for; `recordAct` puts them there. */
  auditRows: Batches<AuditRow>;
  /** Which name of a client certificate from the organisation's own CA is an agent's. */
  clientIdentity: ClientIdentity;
  agentCertificates: AgentCertificatePolicy;
  metrics: Metrics;
};
