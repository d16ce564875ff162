import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections, which could take a port before the test does. */
const FIRST = 10_000;
const PORTS_EACH = 3_000;
/** Workers beyond these share. */
const MOST_WORKERS = 7;

const worker = Number(process.env['JEST_WORKER_ID'] ?? 0) % MOST_WORKERS;
let next = randomInt(PORTS_EACH);

/** A port of 127.0.0.1 that nobody listens on, and that no other test of this run is given meanwhile. */
export async function unusedPort(): Promise<number> {
  for (let tried = 0; tried < PORTS_EACH; tried += 1) {
    const port = FIRST + worker * PORTS_EACH + next;
    next = (next + 1) % PORTS_EACH;
    if (await isUnused(port)) return port;
  }
  throw new Error('every port of 127.0.0.1 that tests may take is in use');
}

async function isUnused(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
