import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerIdentity } from './authority.ts';

/** What `openssl` calls the versions as options. */
export const versionOptions = {
  'TLS1.0': '-tls1',
  'TLS1.1': '-tls1_1',
  'TLS1.2': '-tls1_2',
  'TLS1.3': '-tls1_3',
} as const;

/** Under which OpenSSL's own tools speak every version and suite that they are built with. */
export const ANYTHING = ['-cipher', 'ALL:@SECLEVEL=0'] as const;

export type Handshake = { version: string; suite: string };

/** `openssl s_client` against a port of 127.0.0.1: what it negotiated, by OpenSSL's names, or undefined when refused. */
export function openSslClient(
  port: number,
  args: readonly string[] = [],
): Promise<Handshake | undefined> {
  const connect = ['s_client', '-brief', '-connect', `127.0.0.1:${port}`];
  return new Promise((resolve, reject) => {
    const child = execFile('openssl', [...connect, ...args], (error, _stdout, stderr) => {
      const version = /^Protocol version: (.+)$/m.exec(stderr)?.[1];
      const suite = /^Ciphersuite: (.+)$/m.exec(stderr)?.[1];
      if (version !== undefined && suite !== undefined) resolve({ version, suite });
      else if (/ alert |no protocols available/.test(stderr)) resolve(undefined);
      // Nothing was refused: the test, or the tool, is at fault.
      else reject(new Error(`openssl s_client: ${stderr}`, { cause: error }));
    });
    child.stdin?.end();
  });
}

export type OpenSslServer = AsyncDisposable & { port: number; url: string };

/** `openssl s_server` on a free port of 127.0.0.1; it answers GET with a page of its own. */
export async function startOpenSslServer(
  { cert, key }: ServerIdentity,
  args: readonly string[] = [],
): Promise<OpenSslServer> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-openssl-'));
  const pem = join(folder, 'server.pem');
  await writeFile(pem, `${cert}${key}`, { mode: 0o600 });
  const accept = ['s_server', '-accept', '127.0.0.1:0', '-cert', pem, '-www'];
  const child = spawn('openssl', [...accept, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  let output = '';
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const accepted = /^ACCEPT .*:(\d+)$/m.exec(output)?.[1];
      if (accepted !== undefined) resolve(Number(accepted));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('close', () => reject(new Error(`openssl s_server: ${output}`)));
  });
  return {
    port,
    url: `https://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}
