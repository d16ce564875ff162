import { setImmediate } from 'node:timers/promises';
import { agent as shownAgent, type Agent } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import type { AgentClient } from './agent-client.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from './control-plane.ts';
import { field, OperatorClient, type Reply } from './operator-client.ts';

type Row = Record<string, unknown>;

/** Two replicas for a test file, and what is done to agents in it. */
export class Lifecycle {
  controlPlane: TestControlPlane;
  second: TestControlPlane;
  owner: OperatorClient;

  private constructor(
    controlPlane: TestControlPlane,
    second: TestControlPlane,
    owner: OperatorClient,
  ) {
    this.controlPlane = controlPlane;
    this.second = second;
    this.owner = owner;
  }

  static async start(): Promise<Lifecycle> {
    const controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
    const { databaseUrl, rootKey } = controlPlane;
    const second = await startControlPlane({ databaseUrl, rootKey, settings: WITHOUT_WORKER });
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    return new Lifecycle(controlPlane, second, owner);
  }

  async end(): Promise<void> {
    await this.second.end();
    await this.controlPlane.end();
  }

  async sql(statement: string, values: unknown[] = []): Promise<Row[]> {
    return asAdmin(this.controlPlane.databaseUrl, async (client) => {
      return (await client.query<Row>(statement, values)).rows;
    });
  }

  async eventsOf(subject: string, action: string): Promise<Row[]> {
    return this.sql(
      `SELECT g.name AS "group", outcome, details FROM audit_events e JOIN groups g ON g.id = e.group_id
       WHERE subject = $1 AND action = $2 ORDER BY at, e.id`,
      [subject, action],
    );
  }

  /** A token of a group, which is made if it is new. */
  async newToken(group: string, uses = 1): Promise<{ id: string; token: string }> {
    await this.owner.call('POST', '/groups', { name: group });
    const { body } = await this.owner.call('POST', `/groups/${group}/enrollment-tokens`, { uses });
    return { id: field(body, 'id'), token: field(body, 'token') };
  }

  put(group: string, name: string, value: string): Promise<Reply> {
    return this.owner.call('PUT', `/groups/${group}/secrets/${name}`, { value });
  }

  move(agent: AgentClient, group: string, by = this.owner): Promise<Reply> {
    return by.call('POST', `/agents/${agent.id}/move`, { group });
  }

  ban(agent: AgentClient, body: object = {}): Promise<Reply> {
    return this.owner.call('POST', `/agents/${agent.id}/ban`, body);
  }

  async shown(agent: AgentClient): Promise<Agent> {
    return shownAgent.parse((await this.owner.call('GET', `/agents/${agent.id}`)).body);
  }

  /** Acknowledgements are written once a second. */
  async until(agent: AgentClient, holds: (seen: Agent) => boolean): Promise<void> {
    while (!holds(await this.shown(agent))) await setImmediate();
  }
}
