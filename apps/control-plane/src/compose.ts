import { HASH_COSTS, type HashCosts } from '@sallyport/crypto/password';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import { AgentAuthenticator, AgentConnections, countAgents, Revocations } from './agents/index.ts';
import { AUDIT_WRITES, insertAuditRows, openAuditKeys, Sequencer } from './audit/index.ts';
import { systemOperation } from './authorization/index.ts';
import { countExpiring } from './certificates/index.ts';
import {
  Acknowledgements,
  buildBundle,
  GroupFeed,
  Hub,
  readRevision,
  SafetyNet,
  tellOfEndedLeases,
  type PullDeps,
} from './delivery/index.ts';
import { createAgentApp } from './http/agent-app.ts';
import { CertificateRenewal } from './http/certificate-renewal.ts';
import { createMetricsApp } from './http/metrics-app.ts';
import { createOperatorApp } from './http/operator-app.ts';
import { RequestLimits } from './http/request-limits.ts';
import { StoreWatch } from './http/store-watch.ts';
import { UnreadableReports } from './keyrings/index.ts';
import { DialCredentials, DialledSockets, LinkDialer } from './links/index.ts';
import { startMaintenance } from './maintenance/index.ts';
import { createFirstOwner, SignInLimits, type FirstOwner } from './operators/index.ts';
import { passwordPolicyOf } from './platform/access-settings.ts';
import { Batches } from './platform/batches.ts';
import { Bell } from './platform/bell.ts';
import type { Clock } from './platform/clock.ts';
import type { ServerConfig } from './platform/config.ts';
import { Database, groupBusy } from './platform/db.ts';
import { hashingQueues } from './platform/hashing-queues.ts';
import type { Log } from './platform/log.ts';
import { createMetrics } from './platform/metrics.ts';
import type { Platform } from './platform/platform.ts';
import { openQueueBackend } from './platform/queue-backend.ts';
import type { RootKeys } from './platform/root-keys.ts';
import { stopInTime } from './platform/stop-in-time.ts';
import { Turns } from './platform/turns.ts';
import { WakeupListener, type Wakeup } from './platform/wakeups.ts';
import { AgentTasks } from './tasks/index.ts';
import { lockFirstStart, openTrust, type OwnStores } from './trust/index.ts';

/** What the control plane is made of; everything that is not configuration comes in from outside. */
export type Parts = {
  config: ServerConfig;
  database: pg.ClientConfig;
  rootKeys: RootKeys;
  /** Opened before anything of the database is changed. */
  own: OwnStores;
  /** As the login that may make BullMQ's schema; by default the same. */
  owner?: pg.ClientConfig;
  clock: Clock;
  log: Log;
  queuePrefix?: string;
  /** Less than by default in tests of something else alone. */
  hashCosts?: HashCosts;
};

/** A control plane that has not begun to listen. */
export type ControlPlane = {
  operatorApp: FastifyInstance;
  agentApp: FastifyInstance;
  metricsApp: FastifyInstance;
  /** Makes the first owner, if nobody is there yet. To be called when nothing can fail any more: its password is shown once. */
  createFirstOwner(): Promise<FirstOwner | undefined>;
  /** What agents pin at first contact: of the CA of the agent API's certificate. */
  caFingerprint: string;
  /** The same for the CLI and the operator API. */
  operatorFingerprint: string;
  /** The CAs of both, PEM. */
  caCertificate: string;
  platform: Platform;
  agentUrl: () => string;
  /** Answers waiting pulls, writes what is pending and closes every connection that answers in time. Never rejects. */
  stop(): Promise<void>;
};

/** Two, so that one writer prepares what it can while another holds the group. */
const GROUP_TURNS = { concurrency: 2, queued: 64, patienceMs: 5_000, refusal: groupBusy };

/** Puts the control plane together. The only place that constructs. */
export async function compose({
  config,
  database,
  rootKeys,
  own,
  owner = database,
  clock,
  log,
  queuePrefix,
  hashCosts = HASH_COSTS,
}: Parts): Promise<ControlPlane> {
  const db = new Database(database);
  const hub = new Hub();
  const platform: Platform = {
    clock,
    log,
    db,
    rootKeys,
    passwordPolicy: passwordPolicyOf(config, hashCosts),
    tokenIterations: hashCosts.pbkdf2Iterations,
    ...hashingQueues(),
    groupTurns: new Turns(GROUP_TURNS),
    clientIdentity: config.agentApi.clientIdentity,
    agentCertificates: config.agentCertificates,
    auditRows: new Batches((rows) => insertAuditRows(db, rows), AUDIT_WRITES),
    metrics: createMetrics({
      waitingPulls: () => hub.size,
      refusedFiles: () => own.problems.length,
      keystoreEnds: () => new Map(own.ends),
      expiringCertificates: () => countExpiring({ db, clock, log }),
      agents: () => countAgents({ db, clock, log }),
    }),
  };
  const trust = await openTrust(platform, own);
  const { authorities } = trust;
  const credentials = new DialCredentials({ clock, authorities, own, config });
  const auditKeys = await openAuditKeys(platform);
  const unreadable = new UnreadableReports(platform);
  const { url, tls } = config.redis;
  const redis = url && { url: url.reveal(), tls };
  const backend = await openQueueBackend({ database, owner, redis, prefix: queuePrefix }, log);
  const tasks = await AgentTasks.open(platform, backend);
  const revocations = new Revocations(platform);
  const connections = new AgentConnections();
  const feed = new GroupFeed({
    build: (groupId) =>
      buildBundle(platform, trust, groupId).catch(async (error: unknown) => {
        await unreadable.notice(error, systemOperation('delivery'));
        throw error;
      }),
    readRevision: (groupId) => db.read((reader) => readRevision(reader, groupId)),
    hub,
    log,
  });
  const acknowledgements = new Acknowledgements(platform);
  const safetyNet = new SafetyNet({ platform, hub, feed, revocations, connections, tasks });

  const linksChanged = new Bell();
  let renewal: CertificateRenewal | undefined;
  const onWakeup = (message: Wakeup) => {
    switch (message.kind) {
      case 'group':
        return feed.refresh(message.groupId);
      case 'revoked':
        revocations.add(message.agentId);
        connections.close(message.agentId);
        return hub.settle(message.agentId, 'revoked');
      case 'tokenRevoked':
        revocations.add(message.tokenId);
        return hub.settle(message.agentId, 'changed');
      case 'moved':
        revocations.addMove(message.agentId, message.groupId);
        return hub.settle(message.agentId, 'changed');
      case 'authorities':
        return void renewal?.look();
      case 'task':
        tasks.notice(message.agentId);
        return hub.settle(message.agentId, 'changed');
      case 'leases':
        return hub.settle(message.agentId, 'leases');
      case 'links':
        return linksChanged.ring();
    }
  };
  const listener = new WakeupListener(database, platform, {
    wakeup: onWakeup,
    connected: () => {
      feed.forgetAll();
      void tellOfEndedLeases(platform, hub);
      void safetyNet.lookAfresh();
      void renewal?.look();
    },
  });
  await listener.start();
  await safetyNet.start();
  const sequencer = new Sequencer(database, platform);
  if (config.roles.includes('worker')) sequencer.start();
  const maintenance = config.roles.includes('worker')
    ? await startMaintenance(platform, backend, {
        tasks,
        keyringPolicy: config.keyrings,
        unreadable,
        auditKeys,
        auditPolicy: config.audit,
        inReachMs: () => safetyNet.inReachMs,
      })
    : undefined;

  const isCurrent = () => listener.connected && safetyNet.isFresh;
  const pullDeps: PullDeps = {
    platform,
    hub,
    feed,
    acknowledgements,
    revocations,
    tasks,
    isCurrent,
  };
  const issueCertificate = () =>
    authorities.issueServerCertificate(config.publicHosts, clock.now());
  const certificate = await issueCertificate();
  const limits = new RequestLimits(clock, config.rateLimits);
  const authenticator = new AgentAuthenticator({ trust, revocations, connections, limits, clock });
  const listenerOf = (name: 'operatorApi' | 'agentApi') => {
    const { maxConnections, tls } = config[name];
    const shown = own.certificateOf(name) ?? certificate;
    return { certificate: shown, tls, maxConnections, trustProxy: config.trustProxy };
  };
  const dialled = new DialledSockets();
  const clientAuthorities = () => ({
    builtIn: authorities.trustAnchors,
    own: own.clientAuthorities,
  });
  const agentApp = await createAgentApp({
    pullDeps,
    trust,
    unreadable,
    authenticator,
    listener: { ...listenerOf('agentApi'), clientAuthorities: clientAuthorities() },
    limits,
    dialled,
  });
  const dialer = new LinkDialer({
    platform,
    database,
    server: agentApp.server,
    credentials,
    sockets: dialled,
    changed: linksChanged,
  });
  // Only where the agent API listens do its timeouts hold for connections.
  agentApp.server.once('listening', () => dialer.start());
  const agentUrl = () => config.agentApi.publicUrl ?? agentApp.listeningOrigin;
  const fingerprintOf = (name: 'operatorApi' | 'agentApi') =>
    certificateFingerprint(own.topOf(name) ?? trust.authorities.active.certificatePem);
  const operatorApp = await createOperatorApp({
    platform,
    tasks,
    unreadable,
    listener: listenerOf('operatorApi'),
    limits,
    sessions: config.sessions,
    signInLimits: new SignInLimits(clock, config.rateLimits.signInsPerMinute),
    apiKeyPolicy: config.apiKeys,
    auditKeys,
    trust,
    info: { caFingerprint: () => fingerprintOf('agentApi'), agentUrl },
  });
  const metricsApp = await createMetricsApp(platform, isCurrent, config.metrics.maxConnections);
  const listeners = [
    {
      app: agentApp,
      tls: config.agentApi.tls,
      own: () => own.certificateOf('agentApi'),
      clientAuthorities,
    },
    { app: operatorApp, tls: config.operatorApi.tls, own: () => own.certificateOf('operatorApi') },
  ];
  const changed = () => db.read((reader) => authorities.reload(reader));
  const source = { first: certificate, issue: issueCertificate, changed };
  const presented = new CertificateRenewal(listeners, source, platform);
  renewal = presented;
  const storeWatch = new StoreWatch(own, () => presented.present(), platform);

  return {
    operatorApp,
    agentApp,
    metricsApp,
    createFirstOwner: () =>
      db.transaction(async (tx) => {
        await lockFirstStart(tx);
        return createFirstOwner(tx, platform, config.owner);
      }),
    caFingerprint: fingerprintOf('agentApi'),
    operatorFingerprint: fingerprintOf('operatorApi'),
    caCertificate: [...new Set([...trust.trustAnchors(), own.topOf('operatorApi') ?? ''])].join(
      '\n',
    ),
    platform,
    agentUrl,
    stop: async () => {
      presented.stop();
      storeWatch.stop();
      hub.settleAll('stopping');
      const dialling = dialer.stop();
      await Promise.all([operatorApp, agentApp, metricsApp].map(async (app) => app.close()));
      const work = [maintenance?.stop(), sequencer.stop(), safetyNet.stop(), dialling];
      await stopInTime(log, [...work, acknowledgements.close()], () => [
        listener.close(),
        backend.close(),
        db.close(),
      ]);
    },
  };
}
