import { createServer } from 'node:net';
import { EmbeddedPostgresError } from './failure.ts';

/** A port of 127.0.0.1 that was free a moment ago: another program may take it before the caller does. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string')
    throw new EmbeddedPostgresError('No free port on 127.0.0.1.');
  return address.port;
}
