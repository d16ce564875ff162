import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { libc } from './libc.ts';
import { arePeersTold, peerOf } from './peers.ts';

afterAll(() => expectNoLeftovers());

const isKnown = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
const why = isKnown ? undefined : 'this is not Linux on x64 or arm64';
const describeOnLinux = why === undefined ? describe : describe.skip;

describeOnLinux(
  titleOrLeftOut('[SG-38] [SG-46] who is at the other end of a unix socket', why),
  () => {
    test('is told of a process, by its pid, user and group', async () => {
      expect(arePeersTold()).toBe(true);
      await using home = await createTempDirectory('peers');
      const path = join(home.path, 'asked.sock');
      const server = createServer().listen({ path });
      await once(server, 'listening');
      const script = `require('node:net').connect(${JSON.stringify(path)}).resume()`;
      const program = startProcess({ command: [process.execPath, '--eval', script] });
      const [connection]: Socket[] = await once(server, 'connection');
      expect(connection && peerOf(connection)).toEqual({
        pid: program.pid,
        uid: process.getuid?.(),
        gid: process.getgid?.(),
      });
      connection?.destroy();
      server.close();
      await program.exited;
      // What has no descriptor any more has no peer either.
      expect(connection && peerOf(connection)).toBeUndefined();
    });

    test('is not told of what is no socket', () => {
      const file = openSync(import.meta.filename, 'r');
      expect(libc()?.peerOf(file)).toBeUndefined();
      closeSync(file);
      expect(libc()?.peerOf(-1)).toBeUndefined();
    });
  },
);
