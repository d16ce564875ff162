import { readFile } from 'node:fs/promises';
import type { ServerConfig } from './config.ts';

/** For the database, the queue, agents that are dialled, files and the runtime: several times what was counted. */
const BESIDES_CONNECTIONS = 256;

/**
 * What to warn of where the system lets this process open fewer files than its listeners may have connections, each of
 * which is one; undefined where it does not, or tells no limit. Node has raised the limit as far as it may by now.
 */
export async function openFilesWarning(
  { roles, agentApi, operatorApi, metrics }: ServerConfig,
  limitsFile = '/proc/self/limits',
): Promise<string | undefined> {
  const limits = await readFile(limitsFile, 'utf8').catch(() => '');
  const [, limit] = /^Max open files +(\d+) /m.exec(limits) ?? [];
  const connections =
    metrics.maxConnections +
    (roles.includes('agent-api') ? agentApi.maxConnections : 0) +
    (roles.includes('operator-api') ? operatorApi.maxConnections : 0);
  const needed = connections + BESIDES_CONNECTIONS;
  if (limit === undefined || Number(limit) >= needed) return undefined;
  return `this process may open ${limit} files, and needs ${needed} for as many connections as agentApi.maxConnections and its like allow; raise the limit (ulimit -n, LimitNOFILE= of a unit), or lower them`;
}
