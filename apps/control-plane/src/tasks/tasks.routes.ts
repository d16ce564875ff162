import {
  completeTaskBody,
  createTaskBody,
  extendTaskBody,
  failTaskBody,
  page,
  pageQuery,
  task,
  uuid,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { agentOf, operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import type { AgentTasks } from './agent-tasks.ts';
import { completeTask, createTask, failTask, getTask, listAgentTasks } from './tasks.service.ts';

const tags = ['tasks'];
const agentParams = z.object({ agent: uuid });
const taskParams = z.object({ task: uuid });

/** `/api/v1/agents/:agent/tasks`. */
export function tasksRoutes(platform: Platform, tasks: AgentTasks): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/agents/:agent/tasks',
      {
        config: { permission: 'task:create' },
        schema: {
          tags,
          operationId: 'createTask',
          summary: 'Give an agent a task',
          description:
            'The agent takes it with its next pull, at once where one waits. It may fail or fall silent three times, and has a week; then the task is given up, and the audit says so. `agent.not_found` (404) also for a revoked one.',
          params: agentParams,
          body: createTaskBody,
          response: { 201: task, ...problemResponses },
        },
      },
      async (request, reply) => {
        const wanted = { agentId: request.params.agent, kind: request.body.kind };
        return reply
          .code(201)
          .send(await createTask(platform, tasks, operationOf(request), wanted));
      },
    );

    app.get(
      '/agents/:agent/tasks',
      {
        config: { permission: 'task:read' },
        schema: {
          tags,
          operationId: 'listTasks',
          summary: 'List an agent’s tasks',
          description: 'The newest first. A task is kept for 30 days after it ended.',
          params: agentParams,
          querystring: pageQuery(uuid),
          response: { 200: page(task), ...problemResponses },
        },
      },
      async (request) =>
        listAgentTasks(platform, operationOf(request), request.params.agent, request.query),
    );

    app.get(
      '/agents/:agent/tasks/:task',
      {
        config: { permission: 'task:read' },
        schema: {
          tags,
          operationId: 'getTask',
          summary: 'Show a task',
          description: 'Ask again until its `state` is `completed` or `dead`.',
          params: agentParams.extend({ task: uuid }),
          response: { 200: task, ...problemResponses },
        },
      },
      async (request) =>
        getTask(platform, operationOf(request), request.params.agent, request.params.task),
    );
  };
}

/** `/agent/v1/tasks/:task/…`: an agent's word about a task it holds. */
export function heldTasksRoutes(platform: Platform, tasks: AgentTasks): FastifyPluginAsyncZod {
  const config = { permission: 'agent' } as const;
  const response = { 204: z.null(), ...problemResponses };
  return async (app) => {
    app.post(
      '/tasks/:task/extend',
      { config, schema: { params: taskParams, body: extendTaskBody, response } },
      async (request, reply) => {
        const { agentId } = agentOf(request);
        await tasks.extend({ agentId, taskId: request.params.task, lock: request.body.lock });
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/tasks/:task/complete',
      { config, schema: { params: taskParams, body: completeTaskBody, response } },
      async (request, reply) => {
        const held = { agentId: agentOf(request).agentId, taskId: request.params.task };
        await completeTask(platform, tasks, operationOf(request), { ...held, ...request.body });
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/tasks/:task/fail',
      { config, schema: { params: taskParams, body: failTaskBody, response } },
      async (request, reply) => {
        const held = { agentId: agentOf(request).agentId, taskId: request.params.task };
        await failTask(platform, tasks, operationOf(request), { ...held, ...request.body });
        return reply.code(204).send(null);
      },
    );
  };
}
