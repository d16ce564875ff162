import { createTempDirectory } from '@sallyport/testkit/temp';
import { SessionFile } from '../src/session-file.ts';
import { startOperatorApi, type OperatorApi } from './operator-api.ts';
import { runCli, type Given, type Outcome } from './run-cli.ts';

/** An operator who is signed in to a double of the operator API until noon of 2030-01-01. */
export type SignedIn = AsyncDisposable & {
  api: OperatorApi;
  directory: string;
  cli(args: readonly string[], given?: Partial<Given>): Promise<Outcome>;
};

export async function signIn(): Promise<SignedIn> {
  const temp = await createTempDirectory();
  const api = await startOperatorApi();
  const directory = `${temp.path}/config`;
  await new SessionFile(directory).write({
    url: api.url,
    ca: api.ca,
    token: 'sp_session_canary',
    expiresAt: '2030-01-01T12:00:00.000Z',
  });
  return {
    api,
    directory,
    cli: (args, given = {}) => runCli(args, { directory, ...given }),
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await temp.remove();
    },
  };
}
