import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls';

/** What Postgres is asked before TLS begins (PostgreSQL, 54.7, SSLRequest). */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

export type TlsFront = AsyncDisposable & {
  port: number;
  /** The TLS version of each connection that came about. */
  versions: string[];
};

type FrontOptions = {
  tls: SecureContextOptions;
  target: { hostname: string; port: string };
  speaks: 'postgres' | 'redis';
};

/** TLS in front of a server of the tests, none of which has it: real handshakes, then byte for byte. */
export async function startTlsFront({ tls, target, speaks }: FrontOptions): Promise<TlsFront> {
  const secureContext = createSecureContext(tls);
  const sockets = new Set<Socket>();
  const versions: string[] = [];
  const carry = (client: Socket) => {
    const secured = new TLSSocket(client, { isServer: true, secureContext });
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [secured, upstream]) {
      sockets.add(socket);
      // A handshake that is refused is what some tests are after.
      socket.on('error', () => socket.destroy());
    }
    secured.once('secure', () => versions.push(secured.getProtocol() ?? ''));
    secured.on('close', () => upstream.destroy());
    upstream.on('close', () => secured.destroy());
    secured.pipe(upstream).pipe(secured);
  };
  const server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => client.destroy());
    if (speaks === 'redis') carry(client);
    else
      client.once('data', (asked: Buffer) => {
        if (!asked.equals(SSL_REQUEST)) return void client.destroy();
        client.write('S');
        carry(client);
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: portOf(server.address()), versions, [Symbol.asyncDispose]: end };

  async function end(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return address.port;
}
