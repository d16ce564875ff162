import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { z } from 'zod';

/**
 * The yardstick, run as a process: a bare HTTPS server that holds `POST /poll` open until `POST /change`
 * sends the same bytes to all. The parent sends one order and gets the port; the server ends with it.
 */
const order = z.object({ cert: z.string(), key: z.string(), payload: z.string() });
export type BareServerOrder = z.infer<typeof order>;

process.once('message', (message) => {
  const { cert, key, payload } = order.parse(message);
  const bytes = Buffer.from(payload);
  const waiting = new Set<ServerResponse>();
  const server = createServer({ cert, key }, (request, response) => {
    request.resume().once('end', () => {
      if (request.url === '/poll') {
        waiting.add(response);
        return;
      }
      if (request.url === '/waiting') {
        response.end(String(waiting.size));
        return;
      }
      response.end('{}');
      for (const poll of waiting) poll.end(bytes);
      waiting.clear();
    });
  });
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
  });
  process.once('disconnect', () => process.exit(0));
});
