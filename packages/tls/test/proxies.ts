import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { ServerIdentity } from './authority.ts';

export type ProxyOptions = {
  /** Names that only this proxy resolves, and their addresses; any other name does not resolve. */
  hosts?: Readonly<Record<string, string>>;
  /** `user:password` that it asks for. */
  credentials?: string;
  /** Destinations that it connects to, as `host:port`; absent means all. */
  allowed?: readonly string[];
  /** 0 takes a free one; a proxy that comes back listens where it did. */
  port?: number;
  /** Where it listens; 127.0.0.1 by default. */
  address?: string;
};

/** A proxy, and what it has seen. */
export type TestProxy = AsyncDisposable & {
  port: number;
  /** Every destination that was asked for, as `host:port`, refused ones too. */
  destinations: string[];
  /** Every byte that clients sent through its tunnels. */
  sent: () => Buffer;
  tunnels: () => number;
};

class Relay {
  readonly destinations: string[] = [];
  readonly sockets = new Set<Duplex>();
  readonly #options: ProxyOptions;
  readonly #sent: Buffer[] = [];
  #tunnels = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  /** The address to connect to, or why not. */
  resolve(host: string, port: number): { address: string } | 'denied' | 'unresolved' {
    const { hosts = {}, allowed } = this.#options;
    this.destinations.push(`${host}:${port}`);
    if (allowed && !allowed.includes(`${host}:${port}`)) return 'denied';
    if (/^[\d.]+$/.test(host)) return { address: host };
    const address = hosts[host];
    return address === undefined ? 'unresolved' : { address };
  }

  isWelcome(credentials: string | undefined): boolean {
    const { credentials: asked } = this.#options;
    return asked === undefined || asked === credentials;
  }

  get asksForCredentials(): boolean {
    return this.#options.credentials !== undefined;
  }

  /** Connects, calls `ready`, and carries bytes both ways until either side ends. */
  carry(client: Duplex, address: string, port: number, ready: () => void): void {
    const upstream = connect(port, address, () => {
      this.#tunnels += 1;
      ready();
      client.on('data', (chunk: Buffer) => this.#sent.push(chunk));
      client.pipe(upstream).pipe(client);
    });
    this.keep(upstream);
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
  }

  keep(socket: Duplex): void {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }

  async listen(server: Server): Promise<TestProxy> {
    server.on('connection', (socket: Socket) => this.keep(socket));
    const { port = 0, address = '127.0.0.1' } = this.#options;
    server.listen(port, address);
    await once(server, 'listening');
    return {
      port: portOf(server),
      destinations: this.destinations,
      sent: () => Buffer.concat(this.#sent),
      tunnels: () => this.#tunnels,
      [Symbol.asyncDispose]: async () => {
        const closed = once(server, 'close');
        server.close();
        for (const socket of this.sockets) socket.destroy();
        await closed;
      },
    };
  }
}

export function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return address.port;
}

/** HTTP CONNECT; over TLS when it has an identity. Answers a name that it cannot resolve as Squid does. */
export function startHttpProxy(
  options: ProxyOptions = {},
  identity?: ServerIdentity & SecureContextOptions,
): Promise<TestProxy> {
  const relay = new Relay(options);
  const server = identity ? createHttpsServer(identity) : createHttpServer();
  server.on('tlsClientError', () => {});
  server.on('connect', (request: IncomingMessage, client: Duplex) => {
    relay.keep(client);
    const refuse = (reply: string) => client.end(`HTTP/1.1 ${reply}\r\n\r\n`);
    const [, basic = ''] = /^Basic (.*)$/.exec(request.headers['proxy-authorization'] ?? '') ?? [];
    if (!relay.isWelcome(Buffer.from(basic, 'base64').toString()))
      return void refuse('407 Sign In\r\nProxy-Authenticate: Basic realm="test"');
    const { hostname, port } = new URL(`tcp://${request.url}`);
    const found = relay.resolve(hostname, Number(port));
    if (found === 'denied') return void refuse('403 Forbidden');
    if (found === 'unresolved') return void refuse('503 Gone\r\nX-Squid-Error: ERR_DNS_FAIL 0');
    relay.carry(client, found.address, Number(port), () => client.write('HTTP/1.1 200 OK\r\n\r\n'));
  });
  return relay.listen(server);
}

/** Exactly so many bytes, once they have come. */
async function take(socket: Socket, count: number): Promise<Buffer> {
  if (count === 0) return Buffer.alloc(0);
  for (;;) {
    const bytes: unknown = socket.read(count);
    if (bytes instanceof Buffer) return bytes;
    await once(socket, 'readable');
  }
}

/** RFC 1929. */
async function readCredentials(socket: Socket): Promise<string> {
  const [, userLength = 0] = await take(socket, 2);
  const user = await take(socket, userLength);
  const [passwordLength = 0] = await take(socket, 1);
  return `${user.toString()}:${(await take(socket, passwordLength)).toString()}`;
}

async function readDestination(socket: Socket): Promise<{ host: string; port: number }> {
  const [, , , kind] = await take(socket, 4);
  const [length = 0] = kind === 3 ? await take(socket, 1) : [4];
  const bytes = await take(socket, length);
  const host = kind === 3 ? bytes.toString() : bytes.join('.');
  return { host, port: (await take(socket, 2)).readUInt16BE() };
}

async function serveSocks5(socket: Socket, relay: Relay): Promise<void> {
  const [, count = 0] = await take(socket, 2);
  const method = relay.asksForCredentials ? 2 : 0;
  if (!(await take(socket, count)).includes(method)) return void socket.end(Buffer.from([5, 0xff]));
  socket.write(Buffer.from([5, method]));
  if (method === 2) {
    const welcome = relay.isWelcome(await readCredentials(socket));
    socket.write(Buffer.from([1, welcome ? 0 : 1]));
    if (!welcome) return void socket.end();
  }
  const { host, port } = await readDestination(socket);
  const reply = (code: number) => socket.write(Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]));
  const found = relay.resolve(host, port);
  if (found === 'denied') reply(2);
  else if (found === 'unresolved') reply(4);
  else return relay.carry(socket, found.address, port, () => reply(0));
  socket.end();
}

/** SOCKS5, with a user name and password where they are asked for. */
export function startSocks5Proxy(options: ProxyOptions = {}): Promise<TestProxy> {
  const relay = new Relay(options);
  const server = createServer((socket) => {
    // A client that hangs up in the middle is what some tests are after.
    serveSocks5(socket, relay).catch(() => socket.destroy());
  });
  return relay.listen(server);
}
