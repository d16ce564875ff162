import type { PullBody, PullReply } from '@sallyport/contract';
import type { AccessClaims } from '@sallyport/crypto/access-token';
import { sealDeliveryKey } from '@sallyport/crypto/delivery-key';
import { importEncryptionPublicKey } from '@sallyport/crypto/encryption-key';
import { agentMoved, agentRevoked, checkProtocol, type Revocations } from '../agents/index.ts';
import { openStoredDeliveryKey } from '../delivery-keys/index.ts';
import { endedAmong, endForgotten } from '../leases/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import type { AgentTasks } from '../tasks/index.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import { getRecipient } from './delivery.store.ts';
import type { Feed, GroupFeed } from './group-feed.ts';
import { isBehind, type Hub, type Waiter, type WaitOutcome } from './hub.ts';

export type PullDeps = {
  platform: Platform;
  hub: Hub;
  feed: GroupFeed;
  acknowledgements: Acknowledgements;
  revocations: Revocations;
  tasks: AgentTasks;
  /** Whether this replica hears of changes and revocations; when it does not, it must not deliver. */
  isCurrent: () => boolean;
};

/** How long an agent waits that holds leases: when the wake-up for an ended lease is lost, it hears of it that much later. */
const LENDING_WAIT_SECONDS = 10;

/**
 * Answers at once when the agent is behind or has work, and otherwise waits for a change. Naming a revision
 * acknowledges it. `gone` is aborted when the client hangs up. The answer is JSON as bytes, undefined when nothing came.
 *
 * @throws AppError `agent.revoked`, `protocol.unsupported`, `pull.superseded`, `revision.ahead`, `server.unavailable`, `server.stopping`
 */
export async function pull(
  deps: PullDeps,
  agent: AccessClaims,
  body: PullBody,
  gone: AbortSignal,
): Promise<Buffer | undefined> {
  // Before all that may refuse it: an agent that calls is not lost, whatever it is told.
  deps.acknowledgements.heard(agent, body.status);
  if (body.leasesForgotten === true) await endUnnamed(deps, agent, body);
  const ready = await lookNow(deps, agent, body);
  // After the look, which refuses a revision that does not exist: what is recorded only grows.
  deps.acknowledgements.record(agent, body.revision, body.status);
  if (ready !== undefined || body.waitSeconds === 0) return ready;
  return afterWait(deps, agent, body, gone);
}

/** Waits until there is something for the agent or its time is up; a wake-up that brought nothing starts no new round trip. */
async function afterWait(
  deps: PullDeps,
  agent: AccessClaims,
  body: PullBody,
  gone: AbortSignal,
): Promise<Buffer | undefined> {
  const longest = body.leases === undefined ? body.waitSeconds : LENDING_WAIT_SECONDS;
  const deadline = performance.now() + Math.min(body.waitSeconds, longest) * 1000;
  for (;;) {
    const outcome = await wait(deps, agent, body, { deadline, gone });
    if (outcome === 'nothing' || outcome === 'gone') return undefined;
    if (outcome !== 'changed' && outcome !== 'leases') throw ended(outcome);
    const answer = await lookNow(deps, agent, body, outcome === 'leases');
    if (answer !== undefined) return answer;
  }
}

function ended(outcome: 'revoked' | 'superseded' | 'stopping'): AppError {
  switch (outcome) {
    case 'revoked':
      return agentRevoked();
    case 'superseded':
      return new AppError(
        'pull.superseded',
        'A newer pull of this agent took this one’s place; is it running twice?',
      );
    case 'stopping':
      return new AppError('server.stopping', 'This control plane is stopping; connect again.', {
        retryAfterSeconds: 1,
      });
  }
}

/** @throws AppError `server.unavailable` when this replica does not hear of revocations */
export function checkCurrent({ isCurrent }: Pick<PullDeps, 'isCurrent'>): void {
  if (!isCurrent())
    throw new AppError(
      'server.unavailable',
      'The control plane has lost its database; try again shortly.',
      { retryAfterSeconds: 5 },
    );
}

/** What there is for the agent now; `namedAgain` makes a reply in any case, after which it names its leases again. */
async function lookNow(
  deps: PullDeps,
  agent: AccessClaims,
  body: PullBody,
  namedAgain = false,
): Promise<Buffer | undefined> {
  checkCurrent(deps);
  checkStanding(deps, agent);
  const feed = await deps.feed.reaching(agent.groupId, body.revision);
  if (feed === undefined || body.epoch > feed.epoch) {
    deps.acknowledgements.ahead(agent, body.status);
    throw ahead();
  }
  const behind = isBehind(body, feed);
  const hasKey = body.epoch === feed.epoch;
  if (behind) checkProtocol(body.protocol, feed.protocol);
  const tasks =
    body.taskCapacity > 0 ? await deps.tasks.claim(agent.agentId, body.taskCapacity) : [];
  const endedLeases = await endedLeasesOf(deps, agent, body);
  // Once more, since the look may have waited: a revoked agent gets nothing.
  checkStanding(deps, agent);
  if (!behind && tasks.length === 0 && endedLeases.length === 0 && !namedAgain) return undefined;
  if (behind) deps.platform.metrics.deliveries.inc();
  const isOwn = tasks.length > 0 || endedLeases.length > 0 || namedAgain;
  if (behind && hasKey && !isOwn) return feed.sharedReply;
  const reply: PullReply = {
    revision: feed.revision,
    epoch: feed.epoch,
    ...(behind ? feed.content : {}),
    ...(hasKey ? {} : { deliveryKey: await deliveryKeyFor(deps.platform, agent, feed) }),
    tasks,
    ...(endedLeases.length > 0 || namedAgain ? { endedLeases } : {}),
    next: { afterMilliseconds: behind ? feed.afterMilliseconds : 0 },
  };
  return Buffer.from(JSON.stringify(reply));
}

/** After a start an agent knows only the leases that it names. The others are ended: nobody could give them back. */
async function endUnnamed(
  { platform: { db, clock } }: PullDeps,
  { agentId }: AccessClaims,
  { leases = [] }: PullBody,
): Promise<void> {
  await db.write((writer) => endForgotten(writer, agentId, leases, new Date(clock.now())));
}

/** Which of the leases that the agent names are over; costs no statement where it names none. */
async function endedLeasesOf(
  { platform: { db, clock } }: PullDeps,
  { agentId }: AccessClaims,
  { leases = [] }: PullBody,
): Promise<string[]> {
  if (leases.length === 0) return [];
  return db.read((reader) => endedAmong(reader, agentId, leases, new Date(clock.now())));
}

/** @throws AppError `agent.revoked`, `agent_token.revoked`, `access_token.expired` for one that was moved */
function checkStanding({ revocations }: PullDeps, agent: AccessClaims): void {
  const refusal = revocations.refusalOf(agent);
  if (refusal !== undefined) throw refusal;
}

async function deliveryKeyFor(
  platform: Platform,
  agent: AccessClaims,
  feed: Feed,
): Promise<string> {
  return platform.db.read(async (reader) => {
    const { groupId, encryptionKey, revokedAt } = await getRecipient(reader, agent.agentId);
    // The row decides, whatever this replica has heard: a revoked agent never gets a new epoch's key, and one
    // that was moved never gets its old group's.
    if (revokedAt !== null) throw agentRevoked();
    if (groupId !== agent.groupId) throw agentMoved();
    const recipient = await importEncryptionPublicKey(encryptionKey);
    const delivery = await openStoredDeliveryKey(reader, platform, agent.groupId, feed.epoch);
    const sealed = await sealDeliveryKey(delivery, recipient);
    delivery.key.fill(0);
    return sealed;
  });
}

async function wait(
  deps: PullDeps,
  agent: AccessClaims,
  body: PullBody,
  until: { deadline: number; gone: AbortSignal },
): Promise<WaitOutcome> {
  const { hub } = deps;
  const { deadline, gone } = until;
  return new Promise((resolve) => {
    const waiter: Waiter = {
      agentId: agent.agentId,
      groupId: agent.groupId,
      revision: body.revision,
      epoch: body.epoch,
      answer: (outcome) => {
        clearTimeout(timer);
        gone.removeEventListener('abort', leave);
        resolve(outcome);
      },
    };
    const leave = () => hub.settle(agent.agentId, 'gone', waiter);
    const timer = setTimeout(
      () => hub.settle(agent.agentId, 'nothing', waiter),
      Math.max(0, deadline - performance.now()),
    );
    gone.addEventListener('abort', leave, { once: true });
    hub.add(waiter);
    if (gone.aborted) leave();
    else recheck(deps, agent, waiter, body);
  });
}

/** A change, a task or a revocation may have come between the look and the wait: nobody would wake this pull for it. */
function recheck(deps: PullDeps, agent: AccessClaims, waiter: Waiter, body: PullBody): void {
  const { hub, feed, revocations, tasks } = deps;
  const { agentId, groupId } = waiter;
  if (revocations.refusalOf(agent) !== undefined) hub.settle(agentId, 'changed', waiter);
  // An agent that takes no tasks would be woken again and again for one that waits.
  else if (body.taskCapacity > 0 && tasks.mayHaveWork(agentId))
    hub.settle(agentId, 'changed', waiter);
  else
    Promise.all([feed.get(groupId), endedLeasesOf(deps, agent, body)]).then(
      ([current, endedLeases]) => {
        if (isBehind(waiter, current) || endedLeases.length > 0)
          hub.settle(agentId, 'changed', waiter);
      },
      () => {},
    );
}

function ahead(): AppError {
  return new AppError(
    'revision.ahead',
    'This agent runs a newer revision than the control plane has, which was restored from an older backup: run sallyport-server after-restore there, and the agent takes what it holds now.',
  );
}
