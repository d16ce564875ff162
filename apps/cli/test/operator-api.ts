import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { text as readText } from 'node:stream/consumers';
import type { SecureContextOptions } from 'node:tls';
import { certificateFingerprint } from '@sallyport/tls/pin';
import { makeAuthority } from '@sallyport/tls/test/authority';

/** A request as it came over the wire; `body` is its JSON. */
type Received = {
  method: string;
  path: string;
  query: URLSearchParams;
  authorization: string | undefined;
  /** What a write is conditional on. */
  condition: string | undefined;
  body: unknown;
};
export type Answer = { status?: number; body?: unknown; text?: string; etag?: string };

/** An HTTPS server that answers as it is told, with a certificate of its own CA. */
export type OperatorApi = AsyncDisposable & {
  url: string;
  ca: string;
  fingerprint: string;
  received: Received[];
  /** `GET /groups`, below `/api/v1`. The answers are given in turn, and the last one for ever. */
  on(operation: string, ...answers: Answer[]): void;
};

/** A problem document as the control plane sends it. */
export function problemAnswer(
  status: number,
  code: string,
  more: Record<string, unknown> = {},
): Answer {
  const common = {
    type: 'about:blank',
    title: 'Refused',
    detail: `It is ${code}.`,
    requestId: '7f3a',
  };
  return { status, body: { ...common, status, code, ...more } };
}

/** The operator who signs in, as the API tells of them. */
export const owner = {
  kind: 'operator',
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  name: 'owner',
  roles: [{ role: 'owner', group: null }],
};

/** A host that its certificate is for, too, and that no DNS knows. */
export const ELSEWHERE = 'control-plane.elsewhere.example';

/** On a free port when none is given. */
export async function startOperatorApi(
  listenAt = '0',
  tls: SecureContextOptions = {},
): Promise<OperatorApi> {
  const authority = await makeAuthority();
  const answers = new Map<string, Answer[]>();
  const received: Received[] = [];
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrived = await receive(request);
    received.push(arrived);
    const queue = answers.get(`${arrived.method} ${arrived.path}`) ?? [];
    const next = queue.length > 1 ? queue.shift() : queue[0];
    const unknown = problemAnswer(404, 'request.not_found');
    send(response, next ?? unknown);
  }
  const server = createServer(
    { ...(await authority.issue({ dns: ['localhost', ELSEWHERE] })), ...tls },
    (request, response) => {
      void answer(request, response);
    },
  );
  // A client that refuses the certificate is what some tests are after.
  server.on('tlsClientError', () => {});
  server.listen(Number(listenAt), '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `https://127.0.0.1:${port}`,
    ca: authority.ca,
    fingerprint: certificateFingerprint(authority.ca),
    received,
    on: (operation, ...given) => {
      answers.set(operation.replace(' ', ' /api/v1'), given);
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function receive(request: IncomingMessage): Promise<Received> {
  const text = await readText(request);
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://double');
  return {
    method: request.method ?? '',
    path: pathname,
    query: searchParams,
    authorization: request.headers.authorization,
    condition: request.headers['if-match'] ?? request.headers['if-none-match'],
    body: text === '' ? undefined : JSON.parse(text),
  };
}

function send(response: ServerResponse, { status = 200, body, text, etag }: Answer): void {
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  response.writeHead(status, { 'content-type': type, ...(etag === undefined ? {} : { etag }) });
  response.end(text ?? (body === undefined ? '' : JSON.stringify(body)));
}
