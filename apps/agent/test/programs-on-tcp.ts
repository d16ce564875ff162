import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { localApiSettings, type LocalApiSettings } from '../src/local-api-settings.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { unusedPort } from './dialling.ts';
import { askSocket, enrollWith, replyTo, type Enrolled } from './harness.ts';
import { LocalApiAlone } from './local-api-alone.ts';

export const token = randomBytes(24).toString('hex');
export const withToken = { 'x-sallyport-token': token };
export const authority = await Issuer.root('CN=CA of the programs');

const SECRET = '/v1/secrets/db/password';

/** A local API with a TCP listener, the files that it is set up with, and programs that ask there. */
export class ProgramsOnTcp implements AsyncDisposable {
  readonly double: ControlPlaneDouble;
  readonly enrolled: Enrolled;
  readonly port: number;
  readonly #files: TempDirectory;
  #local: LocalApiAlone | undefined;

  private constructor(
    double: ControlPlaneDouble,
    enrolled: Enrolled,
    port: number,
    files: TempDirectory,
  ) {
    this.double = double;
    this.enrolled = enrolled;
    this.port = port;
    this.#files = files;
  }

  static async create(): Promise<ProgramsOnTcp> {
    const double = await ControlPlaneDouble.start();
    double.putSecret('db/password', 's3cret');
    double.putSecret('api/key', 'of another program');
    const enrolled = await enrollWith(double);
    return new ProgramsOnTcp(
      double,
      enrolled,
      await unusedPort(),
      await createTempDirectory('tcp'),
    );
  }

  /** The port, what may be read there, and these. */
  settings(tcp: Record<string, unknown>): LocalApiSettings {
    return localApiSettings.parse({
      tcp: { address: `127.0.0.1:${this.port}`, allow: { secrets: ['db/*'] }, ...tcp },
    });
  }

  async start(tcp: Record<string, unknown>): Promise<LocalApiAlone['api']> {
    const { double, enrolled } = this;
    const localApi = this.settings(tcp);
    this.#local = await LocalApiAlone.start(double, enrolled, {
      socket: enrolled.socket,
      localApi,
    });
    return this.#local.api;
  }

  async stop(): Promise<void> {
    await this.#local?.[Symbol.asyncDispose]();
    this.#local = undefined;
  }

  /** Puts a file in place as a whole, as whoever rotates it does. */
  async put(name: string, content: string): Promise<string> {
    const file = join(this.#files.path, name);
    await writeFile(`${file}.new`, content, { mode: 0o600 });
    await rename(`${file}.new`, file);
    return file;
  }

  async putToken(content = `${token}\n`): Promise<string> {
    return this.put('token', content);
  }

  async putKeystore({ chain, key }: IssuedLeaf): Promise<string> {
    return this.put('keystore.pem', key + chain + authority.rootPem);
  }

  /** What keeps the files from being taken, as the health tells. */
  async fileProblems(): Promise<string[]> {
    return JSON.parse((await askSocket(this.enrolled.socket, '/healthz')).body).fileProblems;
  }

  ask(headers: Record<string, string> = {}, path = SECRET) {
    return jsonOf(httpRequest({ ...this.at(path), headers }));
  }

  askTls(options: RequestOptions = {}, path = SECRET) {
    return jsonOf(httpsRequest({ ...this.at(path), ca: authority.rootPem, ...options }));
  }

  at(path: string) {
    return { host: '127.0.0.1', port: this.port, path, agent: false as const };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.double.stop();
    await this.enrolled.home.remove();
    await this.#files.remove();
  }
}

export function serverLeaf(): Promise<IssuedLeaf> {
  return authority.leaf({ names: [{ type: 'ip', value: '127.0.0.1' }], usages: ['serverAuth'] });
}

async function jsonOf(sent: ClientRequest) {
  const { body, ...rest } = await replyTo(sent);
  return { ...rest, body: JSON.parse(body) };
}
