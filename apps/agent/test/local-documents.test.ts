import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { statuses } from '../src/local-api/problem-reply.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

let agent: RunningAgent;
beforeAll(async () => {
  agent = await runningAgent((double) => {
    double.putSecret('db/password', 's3cret');
    double.putPlugin('rate-limit', { perSecond: 5 });
  });
});
afterAll(() => agent.end());

describe('[AT-48] GET /metrics', () => {
  test('tells Prometheus how the agent is and what it answered, and names no value', async () => {
    await agent.daemon.ask('/v1/secrets/db/password');
    await agent.daemon.ask('/v1/secrets/no/such');
    const { status, headers, body } = await agent.daemon.ask('/metrics');
    expect({ status, type: headers['content-type'] }).toEqual({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
    });
    for (const line of [
      'sallyport_agent_status{status="ready"} 1',
      'sallyport_agent_status{status="stale"} 0',
      `sallyport_agent_revision ${agent.double.group.revision}`,
      'sallyport_agent_connected 1',
      'sallyport_agent_file_problems 0',
    ])
      expect(body.split('\n')).toContain(line);
    expect(body).toMatch(
      /^sallyport_agent_requests_total\{resource="secrets",status="200"\} [1-9]/m,
    );
    expect(body).toMatch(
      /^sallyport_agent_requests_total\{resource="secrets",status="404"\} [1-9]/m,
    );
    expect(body).toMatch(/^sallyport_agent_resident_memory_bytes [1-9]/m);
    expect(body).toMatch(
      /^sallyport_agent_cpu_seconds_total 0\.|^sallyport_agent_cpu_seconds_total [1-9]/m,
    );
    expect(body).not.toMatch(/password|no\/such/);
  });
});

/** What is not there, and what is not for GET. */
const answers: Record<string, number> = {
  '/v1/certificates/{name}': 404,
  '/v1/leases': 405,
  '/v1/leases/{id}': 404,
  '/v1/leases/{id}/renew': 405,
};

type Described = {
  properties?: Record<string, Described>;
  items?: Described;
  anyOf?: Described[];
  description?: string;
};
type Replies = Record<
  string,
  { headers?: Record<string, unknown>; content?: Record<string, unknown> }
>;
type Paths = Record<string, { get?: { operationId: string; responses: Replies } }>;

describe('[SG-40] GET /openapi.json', () => {
  const shownIn = async () => {
    const { status, body } = await agent.daemon.ask('/openapi.json');
    expect(status).toBe(200);
    return { document: JSON.parse(body), body };
  };

  test('describes every path that answers, with the headers of its reply, and what is in docs', async () => {
    const { document } = await shownIn();
    const paths: Paths = document.paths;
    for (const [path, { get }] of Object.entries(paths)) {
      const name = path.includes('secrets') ? 'db/password' : 'rate-limit';
      const asked = path.replace('{name}', name).replace('{id}', randomUUID());
      if (path === '/v1/watch') continue;
      const { status: answered, headers } = await agent.daemon.ask(asked);
      expect([path, answered]).toEqual([path, answers[path] ?? 200]);
      if (answered !== 200) continue;
      // The agent is in touch with its control plane.
      const told = Object.keys(get?.responses['200']?.headers ?? {}).filter(
        (each) => each !== 'Warning',
      );
      expect([path, Object.keys(headers)]).toEqual([
        path,
        expect.arrayContaining(told.map((each) => each.toLowerCase())),
      ]);
    }
    for (const path of ['/v1/secrets/{name}', '/v1/config/{name}', '/v1/certificates/{name}'])
      expect(Object.keys(paths[path]?.get?.responses ?? {})).toEqual(['200', '304', 'default']);
    const unready = paths['/healthz']?.get?.responses['503'];
    expect(Object.keys(unready?.content ?? {})).toEqual(['application/json']);
    const written = new URL('../../../docs/agent-openapi.json', import.meta.url);
    expect(JSON.parse(readFileSync(written, 'utf8'))).toEqual(document);
  });

  test('has a name for each operation, and words for each field and each refusal', async () => {
    const { document, body } = await shownIn();
    const names = [...body.matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
    expect(names).toHaveLength(body.match(/"summary":/g)?.length ?? 0);
    expect(new Set(names).size).toBe(names.length);
    const shapes: Record<string, Described> = document.components.schemas;
    expect(Object.entries(shapes).flatMap(([name, shape]) => unsaid(shape, name))).toEqual([]);
    for (const [code, status] of Object.entries(statuses))
      expect(body).toContain(`\`${code}\` (${status})`);
  });
});

/** The fields of a shape of which nothing is said, however deep. */
function unsaid({ properties = {}, items, anyOf = [] }: Described, at: string): string[] {
  const fields = Object.entries(properties).flatMap(([name, field]) => {
    const path = `${at}.${name}`;
    return [...(field.description === undefined ? [path] : []), ...unsaid(field, path)];
  });
  const inner = items === undefined ? anyOf : [items, ...anyOf];
  return [...fields, ...inner.flatMap((shape) => unsaid(shape, at))];
}
