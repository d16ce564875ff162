import Fastify, { type FastifyInstance } from 'fastify';
import { renderMetrics } from '../platform/metrics.ts';
import type { Platform } from '../platform/platform.ts';

/** Plain HTTP on loopback: `/healthz` (the process lives), `/readyz` (it can serve), `/metrics` (Prometheus). */
export async function createMetricsApp(
  { metrics }: Platform,
  isReady: () => boolean,
  maxConnections: number,
): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, requestTimeout: 10_000, forceCloseConnections: true });
  app.server.maxConnections = maxConnections;
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const ready = isReady();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'unavailable' });
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await renderMetrics(metrics)),
  );
  return app;
}
