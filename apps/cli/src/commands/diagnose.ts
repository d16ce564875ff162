import { agent, counted, printable, task, type Diagnosis, type Task } from '@sallyport/contract';
import { route, type ApiClient } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { written } from '../duration.ts';
import { fields, type Field } from '../output.ts';

const FIRST_POLL_MS = 200;
const LONGEST_POLL_MS = 2_000;

/**
 * Creates a `diagnose` task and waits for its end, at most `timeoutSeconds`.
 *
 * @throws CliError `task.failed` when every attempt failed, `task.unfinished` when the agent took too long
 */
export async function diagnose(
  context: Context,
  agentId: string,
  timeoutSeconds: number,
): Promise<void> {
  using api = await openApi(context);
  const created = await api.post(route`/agents/${agentId}/tasks`, { kind: 'diagnose' }, task);
  const { name, state, stateSince } = await api.get(route`/agents/${agentId}`, agent);
  if (state === 'lost')
    context.output.progress(
      printable(
        `${name} is lost${stateSince === null ? '' : ` since ${stateSince}`}: the task waits for it to come back, this command for ${written(timeoutSeconds)}.`,
      ),
    );
  const finished = await finish(context, api, created, { agentId, timeoutSeconds });
  if (finished.result === null) {
    throw new CliError(
      'task.failed',
      `the agent could not do it: ${finished.error ?? 'it gave no reason'}`,
    );
  }
  context.output.result(finished, fields(rowsOf(finished.result)));
}

type Wait = { agentId: string; timeoutSeconds: number };

async function finish(
  { clock, output }: Context,
  api: ApiClient,
  created: Task,
  wait: Wait,
): Promise<Task> {
  const deadline = clock.now() + wait.timeoutSeconds * 1000;
  let current = created;
  let shown = '';
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_POLL_MS)) {
    const progress = progressOf(current);
    if (progress !== shown) output.progress(progress);
    shown = progress;
    if (current.state === 'completed' || current.state === 'dead') return current;
    if (clock.now() >= deadline) {
      throw new CliError(
        'task.unfinished',
        `the task ${current.id} is still ${current.state}; the agent does it when it is back`,
      );
    }
    await clock.sleep(pauseMs);
    current = await api.get(route`/agents/${wait.agentId}/tasks/${created.id}`, task);
  }
}

function progressOf({ state, attempts, error }: Task): string {
  const failed = error === null ? '' : `; the attempt before failed: ${printable(error)}`;
  if (state === 'queued') return `Waiting for the agent to take the task${failed} …`;
  if (state === 'claimed')
    return `The agent is at work (attempt ${Math.max(attempts, 1)})${failed} …`;
  return state === 'completed' ? 'Done.' : 'Every attempt failed.';
}

function rowsOf({
  facts,
  uptimeSeconds,
  clockOffsetMilliseconds,
  tls,
  cache,
  disk,
}: Diagnosis): Field[] {
  const offset =
    clockOffsetMilliseconds === null
      ? 'unknown'
      : `${clockOffsetMilliseconds} ms, to about a second`;
  const kept =
    disk.durableBundleBytes === null
      ? 'none'
      : `${disk.durableBundleBytes} bytes, revision ${disk.durableRevision ?? 'unknown'}`;
  return [
    ['Version', facts.agentVersion],
    ['Host', `${facts.platform} ${facts.architecture}, ${facts.runtime}`],
    ['Up', written(Math.round(uptimeSeconds))],
    ['Clock offset', offset],
    ['TLS', tls === null ? 'not connected' : `${tls.protocol}, ${tls.cipher}`],
    ['Server certificate, not its CA', tls === null ? 'none' : tls.peerFingerprint],
    [
      'In memory',
      `revision ${cache.revision}, epoch ${cache.epoch}, ${counted(cache.entries, 'value')}, ${cache.bytes} bytes`,
    ],
    ['On disk', kept],
    ['Free on disk', `${Math.floor(disk.freeBytes / 2 ** 20)} MiB`],
    ['Quarantined', String(disk.quarantined)],
  ];
}
