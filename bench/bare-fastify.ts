import Fastify from 'fastify';
import { z } from 'zod';

/** A yardstick, run as a process: Fastify over HTTPS that answers every POST with the same JSON. */
const order = z.object({ cert: z.string(), key: z.string(), payload: z.string() });
export type BareFastifyOrder = z.infer<typeof order>;

process.once('message', (message) => void answer(order.parse(message)));

async function answer({ cert, key, payload }: BareFastifyOrder): Promise<void> {
  const reply: unknown = JSON.parse(payload);
  const app = Fastify({ https: { cert, key }, logger: false });
  app.post('/', async () => reply);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  process.send?.({ port: Number(new URL(url).port) });
  process.once('disconnect', () => process.exit(0));
}
