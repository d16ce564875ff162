import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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

test('[SG-40] GET /openapi.json describes every path that answers, and what is in docs', async () => {
  const { status, body } = await agent.daemon.ask('/openapi.json');
  expect(status).toBe(200);
  const document = JSON.parse(body);
  for (const path of Object.keys(document.paths)) {
    const name = path.includes('secrets') ? 'db/password' : 'rate-limit';
    const asked = path.replace('{name}', name).replace('{id}', randomUUID());
    if (path === '/v1/watch') continue;
    const { status: answered } = await agent.daemon.ask(asked);
    expect([path, answered]).toEqual([path, answers[path] ?? 200]);
  }
  for (const path of ['/v1/secrets/{name}', '/v1/config/{name}', '/v1/certificates/{name}'])
    expect(Object.keys(document.paths[path].get.responses)).toEqual(['200', '304', 'default']);
  const unready = document.paths['/healthz'].get.responses['503'];
  expect(Object.keys(unready.content)).toEqual(['application/json']);
  const written = new URL('../../../docs/agent-openapi.json', import.meta.url);
  expect(JSON.parse(readFileSync(written, 'utf8'))).toEqual(document);
});
