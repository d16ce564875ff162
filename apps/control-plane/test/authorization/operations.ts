import { selfSigned } from '@sallyport/tls/test/issuer';
import { z } from 'zod';
import { offlineHost } from '../admission.ts';
import type { TestControlPlane } from '../control-plane.ts';

const openApi = z.object({
  paths: z.record(
    z.string(),
    z.record(z.string(), z.object({ 'x-permission': z.string().optional() })),
  ),
});

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
const method = z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** An operation as the API document has it; `path` is below `/api/v1`. */
export type ApiOperation = { method: Method; path: string; permission: string | undefined };

/** Every operation of the published API. */
export async function publishedOperations({
  operatorApp,
}: TestControlPlane): Promise<ApiOperation[]> {
  const { paths } = openApi.parse((await operatorApp.inject('/api/openapi.json')).json());
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([verb, operation]) => ({
      method: method.parse(verb.toUpperCase()),
      path: path.replace('/api/v1', ''),
      permission: operation['x-permission'],
    })),
  );
}

/** A certificate and its key, as they are uploaded. */
const { chain, key } = await selfSigned();
const { request } = await offlineHost();

/** What each operation that takes a body is sent: valid, so that only the caller's rights can be in its way. */
export const bodies: Record<string, object> = {
  'POST /operators': { name: 'someone', password: 'correct horse battery' },
  'PUT /operators/{operator}/password': { password: 'correct horse battery' },
  'POST /role-bindings': { operator: 'other', role: 'auditor', group: 'plant-7' },
  'POST /api-keys': { name: 'key', roles: [{ role: 'viewer', group: 'plant-7' }] },
  'POST /api-keys/{key}/rotate': {},
  'POST /groups': { name: 'plant-9' },
  'POST /groups/{group}/enrollment-tokens': {},
  'PATCH /groups/{group}': { agentMethods: ['key', 'token'] },
  'POST /groups/{group}/agents': request,
  'POST /agents/{agent}/bundle': {},
  'PATCH /agents/{agent}': { certificateIdentity: null },
  'POST /agents/{agent}/tokens': {},
  'POST /agents/{agent}/tokens/{agentToken}/rotate': {},
  'POST /agents/{agent}/ban': {},
  'POST /agents/{agent}/move': { group: 'plant-7' },
  'POST /agents/{agent}/tasks': { kind: 'diagnose' },
  'POST /groups/{group}/links': { name: 'another', address: 'agent.test:9444' },
  'PUT /groups/{group}/secrets/{secret}': { value: 'value' },
  'PATCH /groups/{group}/secrets/{secret}': { offline: 'allow' },
  'POST /groups/{group}/secrets/{secret}/restore': { version: 1 },
  'POST /groups/{group}/secrets/{secret}/reveal': {},
  'PUT /groups/{group}/plugins/{plugin}': { config: {} },
  'PUT /groups/{group}/certificates/{certificate}': { chain, key },
  'PATCH /groups/{group}/plugins/{plugin}': { config: { a: 1 } },
  'POST /plugin-types': { name: 'another', schema: { type: 'object' } },
  'PUT /plugin-types/{type}': { schema: { type: 'object' } },
  'POST /plugin-types/{type}/check': { schema: { type: 'object' } },
};
