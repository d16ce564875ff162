import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** A TCP proxy on 127.0.0.1 that stands between two real processes. */
export type TcpGate = AsyncDisposable & {
  port: number;
  /** Resets every connection, and each new one until `restore`. */
  cut(): void;
  /** Keeps connections and carries nothing, neither bytes nor ends, as a partition does. */
  freeze(): void;
  /** Undoes `cut` and `freeze`; what was held back flows on. */
  restore(): void;
  /** Carries nothing any more over the connections that there are, for good, as a lost NAT entry does; new ones work. */
  silence(): void;
  /** Holds every chunk back for this long, in both directions. */
  delay(ms: number): void;
  close(): Promise<void>;
};

/** Opens a gate to `target`, on a free port that it keeps until it is closed. */
export async function startTcpGate(target: { host?: string; port: number }): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  const silent = new WeakSet<Socket>();
  const ending = new AbortController();
  let state: 'open' | 'frozen' | 'cut' = 'open';
  let delayMs = 0;
  let thawed = Promise.withResolvers<void>();

  const carry = (from: Socket, to: Socket) => {
    sockets.add(from);
    if (state === 'frozen') from.pause();
    let passage = Promise.resolve();
    const passOn = (act: () => void) => {
      passage = passage
        .then(hold)
        .then(() => (silent.has(from) ? undefined : act()))
        .catch(() => void from.destroy());
    };
    from.on('data', (chunk) => {
      from.pause();
      passOn(() => to.write(chunk, () => (state === 'frozen' ? undefined : from.resume())));
    });
    from.on('end', () => passOn(() => to.end()));
    from.on('error', () => {});
    from.on('close', (failed) => {
      sockets.delete(from);
      if (failed) to.resetAndDestroy();
    });
  };
  const hold = async () => {
    if (delayMs > 0) await pause(delayMs, undefined, { signal: ending.signal });
    while (state === 'frozen') await thawed.promise;
  };
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (state === 'cut') {
      client.on('error', () => {}).resetAndDestroy();
      return;
    }
    const upstream = connect({ host: '127.0.0.1', allowHalfOpen: true, ...target });
    carry(client, upstream);
    carry(upstream, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no free port was given');

  const close = async () => {
    ending.abort();
    reset();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    port: address.port,
    cut: () => {
      state = 'cut';
      reset();
    },
    freeze: () => {
      state = 'frozen';
      for (const socket of sockets) socket.pause();
    },
    restore: () => {
      state = 'open';
      for (const socket of sockets) socket.resume();
      thawed.resolve();
      thawed = Promise.withResolvers<void>();
    },
    silence: () => {
      for (const socket of sockets) silent.add(socket);
    },
    delay: (ms) => {
      delayMs = ms;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
