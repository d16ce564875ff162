import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import type { TestControlPlane } from './control-plane.ts';

/** Asks for a path of the operator API, and reads nothing of the reply yet; `headers` are lines of their own. */
export async function askRaw(
  { operatorApp, caCertificate }: TestControlPlane,
  path: string,
  headers: readonly string[],
): Promise<TLSSocket> {
  const port = Number(new URL(operatorApp.listeningOrigin).port);
  const socket = connect({ host: '127.0.0.1', port, ca: caCertificate });
  // Being cut off is what the tests that ask like this are about.
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const lines = [`GET /api/v1${path} HTTP/1.1`, 'host: a', ...headers];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return socket;
}
