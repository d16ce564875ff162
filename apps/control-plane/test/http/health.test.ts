import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { createTestDatabase } from '@sallyport/testkit/database';
import { startTcpGate } from '@sallyport/testkit/tcp-gate';
import type { FastifyInstance } from 'fastify';
import { startControlPlane, WITHOUT_WORKER } from '../control-plane.ts';

async function asked(app: FastifyInstance, path: '/readyz' | '/healthz') {
  // A reply that touches no socket leaves the others no turn.
  await turn();
  const reply = await app.inject(path);
  return { status: reply.statusCode, body: reply.json<unknown>() };
}

/** Prometheus gives up after ten seconds. */
const SCRAPE_MS = 5_000;

const ready = { status: 200, body: { status: 'ready' } };
const unavailable = { status: 503, body: { status: 'unavailable' } };
const alive = { status: 200, body: { status: 'ok' } };

test.each(['cut', 'freeze'] as const)(
  '[AT-46] a control plane is ready, not while its database is lost (%s), and again when it is back; it is alive throughout',
  async (loss) => {
    const database = await createTestDatabase();
    const url = new URL(database.url);
    await using gate = await startTcpGate({ host: url.hostname, port: Number(url.port) });
    url.port = String(gate.port);
    const { metricsApp, end } = await startControlPlane({
      databaseUrl: url.href,
      settings: WITHOUT_WORKER,
    });
    const both = async () => [
      await asked(metricsApp, '/readyz'),
      await asked(metricsApp, '/healthz'),
    ];
    try {
      expect(await both()).toEqual([ready, alive]);
      gate[loss]();
      while ((await asked(metricsApp, '/readyz')).status === 200);
      expect(await both()).toEqual([unavailable, alive]);
      const begun = performance.now();
      const { body } = await metricsApp.inject('/metrics');
      expect(performance.now() - begun).toBeLessThan(SCRAPE_MS);
      expect(body).toMatch(/^sallyport_waiting_pulls 0$/m);
      expect(body).not.toMatch(/^sallyport_agents\{/m);
      gate.restore();
      while ((await asked(metricsApp, '/readyz')).status === 503);
      expect(await both()).toEqual([ready, alive]);
    } finally {
      gate.restore();
      await end();
      await database.drop();
    }
  },
  60_000,
);
