import { createLinkBody, groupName, link, linkName, page, pageQuery } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { createLink, deleteLink, getLink, listGroupLinks } from './links.service.ts';

const tags = ['links'];
const groupParams = z.object({ group: groupName });
const linkParams = groupParams.extend({ link: linkName });

const createSchema = {
  tags,
  operationId: 'createLink',
  summary: 'Create a link by which an agent is dialled',
  description:
    'It is dialled from now on, by one replica of all. Whoever may do this can make the control plane connect to any host that it can reach, and learns whether something answers there. `link.exists` (409) when the name is taken in the group; `link.too_many` (409) beyond 1,000 of a group.',
  params: groupParams,
  body: createLinkBody,
  response: { 201: link, ...problemResponses },
};
const listSchema = {
  tags,
  operationId: 'listLinks',
  summary: 'List the links of a group',
  description: 'In the order of their names.',
  params: groupParams,
  querystring: pageQuery(linkName),
  response: { 200: page(link), ...problemResponses },
};
const showSchema = {
  tags,
  operationId: 'getLink',
  summary: 'Show a link and how it goes with it',
  description:
    'Since when its agent is connected, or why it is not, and what their newest connection negotiated. `link.not_found` (404) when the group has none of this name.',
  params: linkParams,
  response: { 200: link, ...problemResponses },
};
const deleteSchema = {
  tags,
  operationId: 'deleteLink',
  summary: 'Delete a link and end its connections',
  description: 'An agent that only listens is out of reach then, and goes on serving what it has.',
  params: linkParams,
  response: { 204: z.null(), ...problemResponses },
};

/** `/api/v1/groups/:group/links`. */
export function linksRoutes(platform: Platform): FastifyPluginAsyncZod {
  const path = '/groups/:group/links';
  return async (app) => {
    app.post(
      path,
      { config: { permission: 'link:create' }, schema: createSchema },
      async (request, reply) => {
        const { params, body } = request;
        const made = await createLink(platform, operationOf(request), params.group, body);
        return reply.code(201).send(made);
      },
    );

    app.get(path, { config: { permission: 'link:read' }, schema: listSchema }, async (request) =>
      listGroupLinks(platform, operationOf(request), request.params.group, request.query),
    );

    app.get(
      `${path}/:link`,
      { config: { permission: 'link:read' }, schema: showSchema },
      async (request) =>
        getLink(platform, operationOf(request), request.params.group, request.params.link),
    );

    app.delete(
      `${path}/:link`,
      { config: { permission: 'link:delete' }, schema: deleteSchema },
      async (request, reply) => {
        const { group, link: name } = request.params;
        await deleteLink(platform, operationOf(request), group, name);
        return reply.code(204).send(null);
      },
    );
  };
}
