import { afterAll, beforeAll, expect, test } from '@jest/globals';
import Fastify from 'fastify';
import { z } from 'zod';
import { describeApi } from '../../src/http/openapi-document.ts';
import { startControlPlane, type TestControlPlane, WITHOUT_WORKER } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';

const operation = z.looseObject({
  operationId: z.string(),
  description: z.string().optional(),
  tags: z.array(z.string()),
  security: z.array(z.unknown()).optional(),
  requestBody: z.object({ content: z.record(z.string(), z.unknown()) }).optional(),
  parameters: z.array(z.object({ in: z.string(), name: z.string() })).default([]),
  responses: z.record(
    z.string(),
    z.object({ description: z.string(), content: z.record(z.string(), z.unknown()).optional() }),
  ),
});
const apiDocument = z.looseObject({
  tags: z.array(z.object({ name: z.string(), description: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});

let controlPlane: TestControlPlane;
let served: z.infer<typeof apiDocument>;
let operations: (z.infer<typeof operation> & { route: string })[];

beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  const { operatorApp } = controlPlane;
  served = apiDocument.parse((await operatorApp.inject('/api/openapi.json')).json());
  operations = Object.entries(served.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([verb, each]) => ({ ...each, route: `${verb} ${path}` })),
  );
});
afterAll(async () => controlPlane.end());

test('shapes have the names of the contract, each is referred to, and each reference leads to one', () => {
  const references = [...JSON.stringify(served).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to);
  const schemas = Object.keys(served.components.schemas);
  expect(schemas).toEqual(expect.arrayContaining(['Secret', 'PutSecretBody', 'Role', 'Problem']));
  expect(new Set(schemas.map((name) => `#/components/schemas/${name}`))).toEqual(
    new Set(references),
  );
});

test('patterns are read alike where regular expressions know no Unicode properties', () => {
  const patterns = [...JSON.stringify(served).matchAll(/"pattern":"((?:[^"\\]|\\.)*)"/g)];
  expect(patterns.length).toBeGreaterThan(1);
  for (const [, pattern] of patterns) expect(pattern).not.toMatch(/\\[pP]\{|\\0/);
});

test('each operation has an id of its own, is described, and says in words what each reply is', () => {
  const ids = operations.map(({ operationId }) => operationId);
  expect(ids).toContain('putSecret');
  expect(new Set(ids).size).toBe(ids.length);
  const silent = operations.filter(({ description = '' }) => description === '');
  expect(silent.map(({ route }) => route)).toEqual([]);
  const words = operations.flatMap(({ responses }) =>
    Object.values(responses).map(({ description }) => description),
  );
  expect(words).not.toContain('Default Response');
});

test('no route is made without a name in the document, or with that of another', async () => {
  const app = Fastify({ exposeHeadRoutes: false });
  await describeApi(app);
  const make = (url: string, operationId?: string) => () =>
    app.get(url, { schema: operationId === undefined ? {} : { operationId } }, async () => '');
  expect(make('/of-its-own', 'getOwn')).not.toThrow();
  expect(make('/nameless')).toThrow('GET /nameless needs a schema.operationId of its own');
  expect(make('/second', 'getOwn')).toThrow('GET /second needs a schema.operationId of its own');
  await app.close();
});

test('the tags in use are those that are described, each in a sentence', () => {
  const described = served.tags.map(({ name }) => name);
  expect(described).toEqual([...new Set(described)]);
  expect(new Set(operations.flatMap(({ tags }) => tags))).toEqual(new Set(described));
  for (const { description } of served.tags) expect(description).toMatch(/^\p{Lu}.*\.$/u);
});

test('what a field says of itself stands with it, also where it has a shape with a name', () => {
  const { Agent } = z
    .object({ Agent: z.object({ properties: z.record(z.string(), z.unknown()) }) })
    .parse(served.components.schemas);
  expect(Agent.properties['lastSeenAt']).toHaveProperty('description');
  expect(Agent.properties['facts']).toMatchObject({
    $ref: '#/components/schemas/AgentFacts',
    description: expect.any(String),
  });
});

test('refusals are documented as what they are sent as', async () => {
  const refused = await controlPlane.operatorApp.inject('/api/v1/groups');
  const [type] = String(refused.headers['content-type']).split(';');
  expect(refused.statusCode).toBe(401);
  for (const { responses } of operations)
    expect(Object.keys(responses['4XX']?.content ?? {})).toEqual([type]);
});

test('the one operation for strangers asks for no credential', () => {
  const open = operations.filter(({ security }) => security?.length === 0);
  expect(open.map(({ route }) => route)).toEqual(['post /api/v1/sessions']);
});

test.each([
  ['put /api/v1/groups/{group}/secrets/{secret}', ['if-match', 'if-none-match']],
  ['post /api/v1/groups', ['idempotency-key']],
  ['post /api/v1/groups/{group}/secrets/{secret}/reveal', []],
  ['post /api/v1/sessions', []],
  ['get /api/v1/groups', []],
  ['get /api/v1/groups/{group}', ['if-none-match']],
])('%s is documented with the headers that it heeds', (route, headers) => {
  const { parameters } = operations.find((each) => each.route === route) ?? {};
  const inHeader = parameters?.filter((parameter) => parameter.in === 'header');
  expect(inHeader?.map(({ name }) => name)).toEqual(headers);
});

test('each operation takes bodies of the media types that it is documented with, and of no other', async () => {
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const taking = operations.filter(({ requestBody }) => requestBody !== undefined);
  expect(taking.length).toBeGreaterThan(20);
  for (const { route, requestBody } of taking)
    for (const type of ['application/json', 'application/merge-patch+json', 'text/json']) {
      const [verb = '', path = ''] = route.split(' ');
      const url = path.replace('/api/v1', '').replaceAll(/[{}]/g, '');
      const method = z.enum(['POST', 'PUT', 'PATCH', 'DELETE']).parse(verb.toUpperCase());
      const reply = await owner.call(method, url, {}, { 'content-type': type });
      const isTaken = Object.keys(requestBody?.content ?? {}).includes(type);
      expect([route, type, reply.status !== 415]).toEqual([route, type, isTaken]);
    }
});
