import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { HttpsLink } from '@sallyport/tls/https-link';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { z } from 'zod';
import type { BareFastifyOrder } from './bare-fastify.ts';

const BARE_FASTIFY = fileURLToPath(new URL('bare-fastify.ts', import.meta.url));

export type Call = (client: number) => Promise<unknown>;

/** The seconds that `count` calls take `clients` clients, each of which waits for its reply. */
export async function timeCalls(count: number, clients: number, call: Call): Promise<number> {
  const startedAt = performance.now();
  let left = count;
  const calling = async (client: number) => {
    while (left-- > 0) await call(client);
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => calling(client)));
  return (performance.now() - startedAt) / 1000;
}

/** The yardstick: a process of its own with a bare Fastify, which answers with the same bytes over HTTPS. */
export async function startBare(payload: string): Promise<{ call: Call; stop(): Promise<void> }> {
  const authority = await makeAuthority();
  const { cert, key } = await authority.issue();
  const server = fork(BARE_FASTIFY, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  server.send({ cert, key, payload } satisfies BareFastifyOrder);
  const [told]: unknown[] = await once(server, 'message');
  const { port } = z.object({ port: z.int() }).parse(told);
  const link = new HttpsLink({ baseUrl: `https://127.0.0.1:${port}`, ca: authority.ca });
  return {
    call: () => link.request('POST', '/', { json: {} }),
    stop: async () => {
      link.close();
      server.kill();
      await once(server, 'exit');
    },
  };
}
