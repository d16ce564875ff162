import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { chmod, lstat, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { listenOnSocket, stopListening } from '../src/local-api/claim-socket.ts';

/** Only root may be another user for a while. */
const asRoot = process.getuid?.() === 0 && process.platform === 'linux' ? test : test.skip;
const longest = process.platform === 'linux' ? 107 : 103;
let home: TempDirectory;
beforeAll(async () => {
  home = await createTempDirectory('s');
});
afterAll(() => home.remove());

async function listenThenClose(
  path: string,
  mode: number,
  check: () => Promise<void>,
): Promise<void> {
  const server = createServer();
  await listenOnSocket(server, path, { mode });
  await check();
  await new Promise((resolve) => server.close(resolve));
}

describe('[SG-24] the socket', () => {
  test.each([
    ['0600', 0o600],
    ['0660', 0o660],
    ['0666', 0o666],
  ])('has mode %s when that is asked for, whatever the umask is', async (name, mode) => {
    const path = join(home.path, `${name}.sock`);
    const umask = process.umask(0o077);
    await listenThenClose(path, mode, async () =>
      expect((await stat(path)).mode & 0o777).toBe(mode),
    );
    expect(process.umask(umask)).toBe(0o077);
  });

  test('is born with its mode: the umask at the bind lets no wider one through', async () => {
    const server = createServer();
    const listen = server.listen.bind(server);
    let umaskAtBind = 0;
    server.listen = (...args: unknown[]) => {
      umaskAtBind = process.umask();
      return Reflect.apply(listen, server, args);
    };
    await listenOnSocket(server, join(home.path, 'born.sock'), { mode: 0o600 });
    await new Promise((resolve) => server.close(resolve));
    expect(umaskAtBind).toBe(0o177);
  });

  test('is a file also when its name is a number, and no TCP port is opened', async () => {
    const before = process.cwd();
    process.chdir(home.path);
    const server = createServer();
    try {
      await listenOnSocket(server, '38471', { mode: 0o600 });
      expect(server.address()).toBe(join(home.path, '38471'));
      expect((await lstat('38471')).isSocket()).toBe(true);
      const { ctimeNs } = await lstat('38471', { bigint: true });
      const second = listenOnSocket(createServer(), '38471', { mode: 0o600 });
      await expect(second).rejects.toMatchObject({ code: 'socket.in_use' });
      // Whoever connects meanwhile finds it: it was not moved aside to be looked at.
      expect((await lstat('38471', { bigint: true })).ctimeNs).toBe(ctimeNs);
    } finally {
      process.chdir(before);
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('with an empty path is refused', async () => {
    await expect(listenOnSocket(createServer(), '', { mode: 0o600 })).rejects.toMatchObject({
      code: 'socket.unusable',
      message: 'the socket path is empty',
    });
  });

  test('that a crashed agent left behind is replaced', async () => {
    const path = join(home.path, 'stale.sock');
    // Node removes the name that it made, so a renamed socket stays, as after SIGKILL.
    await listenThenClose(join(home.path, 'other.sock'), 0o600, () =>
      rename(join(home.path, 'other.sock'), path),
    );
    expect((await lstat(path)).isSocket()).toBe(true);
    await listenThenClose(path, 0o600, async () => {});
  });

  test('that a crashed agent left behind is replaced where no longer name fits beside it', async () => {
    const directory = join(home.path, '.'.padEnd(longest - home.path.length - '//s'.length, 'd'));
    await mkdir(directory);
    const path = join(directory, 's');
    await listenThenClose(join(home.path, 'other.sock'), 0o600, () =>
      rename(join(home.path, 'other.sock'), path),
    );
    await listenThenClose(path, 0o600, async () => {});
  });

  test('that a crashed agent left behind goes to one of two that start together', async () => {
    const path = join(home.path, 'wanted.sock');
    for (let time = 0; time < 20; time += 1) {
      await listenThenClose(join(home.path, 'other.sock'), 0o600, () =>
        rename(join(home.path, 'other.sock'), path),
      );
      const servers = [createServer(), createServer()];
      const claims = await Promise.allSettled(
        servers.map((server) => listenOnSocket(server, path, { mode: 0o600 })),
      );
      const refused = claims.flatMap((claim) =>
        claim.status === 'rejected' ? [claim.reason] : [],
      );
      expect(refused).toEqual([expect.objectContaining({ code: 'socket.in_use' })]);
      await expect(listenOnSocket(createServer(), path, { mode: 0o600 })).rejects.toMatchObject({
        code: 'socket.in_use',
      });
      for (const server of servers) server.close();
    }
    expect((await readdir(home.path)).filter((name) => !name.includes('.'))).toEqual([]);
  });

  test('that another agent has put in the place of a dead one, once that was looked at, is left to it', async () => {
    const [live, path] = [join(home.path, 'live.sock'), join(home.path, 'dead.sock')];
    await listenThenClose(live, 0o600, () => rename(live, path));
    await listenThenClose(live, 0o600, async () => {
      let hasLooked = false;
      const betweenLooks = createHook({
        init: (_, type) => {
          hasLooked ||= type === 'PIPECONNECTWRAP';
          if (!hasLooked || type !== 'FSREQPROMISE') return;
          betweenLooks.disable();
          renameSync(live, path);
        },
      }).enable();
      const claim = listenOnSocket(createServer(), path, { mode: 0o600 });
      await expect(claim).rejects.toMatchObject({ code: 'socket.in_use' });
      const socket = connect({ path });
      await once(socket, 'connect');
      socket.destroy();
    });
  });

  test('that is another agent’s by now is left to it by one that stops', async () => {
    const path = join(home.path, 'taken.sock');
    const [first, second] = [createServer(), createServer()];
    const old = await listenOnSocket(first, path, { mode: 0o600 });
    await rm(path);
    const own = await listenOnSocket(second, path, { mode: 0o600 });
    stopListening(first, old);
    expect((await lstat(path, { bigint: true })).ino).toBe(own.inode);
    stopListening(second, own);
    await expect(lstat(path)).rejects.toThrow('ENOENT');
  });

  test('that somebody has removed keeps nobody from stopping', async () => {
    const path = join(home.path, 'removed.sock');
    const server = createServer();
    const claimed = await listenOnSocket(server, path, { mode: 0o600 });
    await rm(path);
    const closed = once(server, 'close');
    stopListening(server, claimed);
    await closed;
  });

  test('is not made over a file or directory', async () => {
    const file = join(home.path, 'file');
    await writeFile(file, 'precious');
    await mkdir(join(home.path, 'directory'));
    for (const path of [file, join(home.path, 'directory')]) {
      await expect(listenOnSocket(createServer(), path, { mode: 0o600 })).rejects.toMatchObject({
        code: 'socket.unusable',
      });
    }
    expect((await stat(file)).size).toBe(8);
  });

  test('at a path that the system would cut off is refused with the reason', async () => {
    const fitting = join(home.path, 'x'.repeat(longest - home.path.length - 1));
    await listenThenClose(fitting, 0o600, async () =>
      expect((await lstat(fitting)).isSocket()).toBe(true),
    );
    await expect(
      listenOnSocket(createServer(), `${fitting}x`, { mode: 0o600 }),
    ).rejects.toMatchObject({
      code: 'socket.path_too_long',
      message: `the socket path is ${longest + 1} bytes long, and the system allows ${longest}`,
    });
  });

  asRoot(
    'of another user, who cannot be asked, is left where it is (as root on Linux)',
    async () => {
      const path = join(home.path, 'private.sock');
      await chmod(home.path, 0o711);
      await listenThenClose(path, 0o600, async () => {
        process.seteuid?.(12_345);
        try {
          await expect(listenOnSocket(createServer(), path, { mode: 0o600 })).rejects.toMatchObject(
            {
              code: 'socket.unusable',
              message: `a socket of another user is at ${path}`,
            },
          );
        } finally {
          process.seteuid?.(0);
        }
      });
    },
  );

  test('in a directory that is not there is refused with the reason', async () => {
    await expect(
      listenOnSocket(createServer(), join(home.path, 'no/where.sock'), { mode: 0o600 }),
    ).rejects.toMatchObject({
      code: 'socket.unusable',
    });
  });
});
