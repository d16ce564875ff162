import { get } from 'node:http';

const PROBE_MS = 300;

/**
 * Whether a container engine answers its ping where DOCKER_HOST, or Docker's default, says it is. An
 * engine that is there and hangs counts as none.
 */
export async function containerEngineAnswers(
  dockerHost: string = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock',
): Promise<boolean> {
  const { protocol, hostname, port, pathname } = new URL(dockerHost);
  const address = protocol === 'unix:' ? { socketPath: pathname } : { host: hostname, port };
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(PROBE_MS);
    const request = get({ ...address, path: '/_ping', signal, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}
