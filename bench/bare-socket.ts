import { createServer } from 'node:http';
import { z } from 'zod';

const order = z.object({ path: z.string(), payload: z.string() });
export type BareSocketOrder = z.infer<typeof order>;

/** The yardstick: Node's own server on a unix socket, which answers each request with the same bytes. */
process.once('message', (message) => {
  const { path, payload } = order.parse(message);
  const body = Buffer.from(payload);
  const headers = { 'content-type': 'application/json', 'content-length': body.byteLength };
  const server = createServer((_request, response) => response.writeHead(200, headers).end(body));
  server.listen(path, () => process.send?.('listening'));
});
