import type { AgentErrorCode } from '../agent-error.ts';
import { VERSION } from '../version.ts';
import {
  codesIn,
  contentOf,
  field,
  headers,
  leaseId,
  list,
  named,
  operation,
  read,
  reply,
  version,
  type Json,
} from './openapi-parts.ts';
import { shapes } from './openapi-shapes.ts';

const overview = `
For programs on the agent’s host, over unix sockets and, where it is set, loopback TCP. Each socket has a list of what may be read there; at a TCP port a program shows a token, a client certificate, or both, as is set (\`docs/agent.md\`). \`/healthz\`, too, tells a program of nothing that it may not read.

**Values** come from the agent’s memory, also while the control plane is out of reach: then with \`Warning: 110\`, and \`Age\` says for how long it has not confirmed them. To be told of changes, \`watch\`, or ask again with \`If-None-Match\`.

**Refusals** are problem documents (RFC 9457, \`application/problem+json\`) with a \`code\` that is stable and a sentence that says what to do. Any request may be told ${codesIn(
  [
    'request.invalid',
    'request.method_not_allowed',
    'request.not_found',
    'request.unauthenticated',
    'request.client_refused',
    'request.user_refused',
    'request.forwarded',
    'request.foreign_host',
    'agent.busy',
  ],
)}, and one for values ${codesIn(['agent.not_ready', 'agent.revoked'])} besides; its operation has the others. 503 bears \`Retry-After\`.

**Request ids.** Send \`X-Request-Id\` (1 to 64 of \`A-Z a-z 0-9 . _ -\`), and the request is found by it in the agent’s log and in the control plane’s audit; else the agent makes one. It is in \`X-Request-Id\` of the reply.
`.trim();

/** The OpenAPI document of the local API. */
export function localApiDocument(): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'Local API of the Sallyport agent', version: VERSION, description: overview },
    servers: [{ url: 'http://localhost', description: 'Over a unix socket' }],
    security: [{}, { programToken: [] }],
    paths: {
      ...valuePaths(),
      ...leasePaths(),
      '/v1/watch': watchPath(),
      ...agentPaths(),
    },
    components: {
      schemas: shapes,
      headers,
      responses: {
        Problem: {
          description: 'Refused',
          content: contentOf('Problem', 'application/problem+json'),
        },
      },
      securitySchemes: {
        programToken: {
          type: 'apiKey',
          in: 'header',
          name: 'X-Sallyport-Token',
          description: 'At a TCP port that has `tokenFile`: what the file holds now',
        },
      },
    },
  };
}

function valuePaths(): Json {
  return {
    '/v1/secrets': {
      get: list('listSecrets', 'List secrets, without values', 'Those that may be read here.'),
    },
    '/v1/secrets/{name}': {
      get: readSecret(),
    },
    '/v1/config': {
      get: list(
        'listConfigs',
        'List configurations, without values',
        'Plugins that may be read here.',
      ),
    },
    '/v1/config/{name}': {
      get: read('getConfig', {
        summary: 'Read a configuration',
        description: 'The plugin as it was written, its secret fields in clear.',
        parameters: [named('plugin')],
        content: { 'application/json': { schema: { type: 'object' } } },
        refusals: ['request.not_allowed', 'plugin.not_found'],
      }),
    },
    '/v1/certificates': {
      get: list('listCertificates', 'List certificates', 'Those that may be read here.'),
    },
    '/v1/certificates/{name}': {
      get: read('getCertificate', {
        summary: 'Read a certificate with its private key',
        description:
          'With `Accept: application/x-pem-file` as the file that servers read: the key, then the chain.',
        parameters: [named('certificate')],
        content: {
          ...contentOf('Certificate'),
          'application/x-pem-file': { schema: { type: 'string' } },
        },
        refusals: ['request.not_allowed', 'certificate.not_found'],
      }),
    },
  };
}

function readSecret(): Json {
  return read('getSecret', {
    summary: 'Read a secret',
    description:
      'One that is a reference is found where that leads, unless it was a moment ago; `Age` is then that of what was found.',
    parameters: [named('secret'), version, field],
    content: contentOf('Secret'),
    refusals: [
      'request.not_allowed',
      'secret.not_found',
      'secret.version_not_found',
      'secret.field_not_found',
      'secret.not_json',
      'secret.expired',
      'reference.invalid',
      'reference.not_configured',
      'reference.not_found',
      'reference.denied',
      'reference.failed',
      'reference.unreachable',
      'reference.rate_limited',
    ],
  });
}

const OF_A_LEASE: AgentErrorCode[] = [
  'lease.not_found',
  'lease.used_up',
  'lease.expired',
  'lease.ended',
];

function leasePaths(): Json {
  return {
    '/v1/leases': {
      post: operation('takeLease', {
        summary: 'Take a lease of a secret, with its value',
        description:
          'The control plane lends it, and records who asked. The lease belongs to the socket or port where it was taken, and ends with the agent’s process.',
        body: 'TakeLeaseBody',
        replies: {
          201: reply('The lease. This is the first use of its value.', contentOf('LentSecret')),
        },
        refusals: [
          'request.not_allowed',
          'secret.not_found',
          'secret.not_lent',
          'lease.outside_window',
          'lease.too_many',
          'lease.ended',
          'lease.unavailable',
        ],
      }),
    },
    '/v1/leases/{id}': {
      parameters: [leaseId],
      get: operation('readLease', {
        summary: 'Read the value of a lease again',
        description: 'One use of it, where its uses are counted.',
        replies: { 200: reply('The lease and its value', contentOf('LentSecret')) },
        refusals: OF_A_LEASE,
      }),
      delete: operation('endLease', {
        summary: 'End a lease',
        description: 'The agent forgets its value, and tells the control plane.',
        replies: { 204: reply('It has ended') },
        refusals: OF_A_LEASE,
      }),
    },
    '/v1/leases/{id}/renew': {
      parameters: [leaseId],
      post: operation('renewLease', {
        summary: 'Have a lease last longer',
        description: 'From now on, and never beyond its `lastsUntil`.',
        body: 'RenewLeaseBody',
        replies: { 200: reply('The lease as it is now', contentOf('Lease')) },
        refusals: [
          ...OF_A_LEASE,
          'lease.not_renewable',
          'lease.outside_window',
          'lease.unavailable',
        ],
      }),
    },
  };
}

function watchPath(): Json {
  return {
    get: operation('watch', {
      summary: 'Be told of changes, without values',
      description:
        'Server-sent events for as long as the connection lasts. `revision` comes first and with each new revision, whose number is its id; before it a `change` (`kind`, `name`, `version`, `removed`) for everything in it that differs and may be read here. `reset`: read everything again. `revoked`: the agent was shut out, and the stream ends.',
      parameters: [
        {
          name: 'Last-Event-ID',
          in: 'header',
          description: 'The id of the last event that was heard, to be told what was missed',
          schema: { type: 'string' },
        },
      ],
      replies: {
        200: reply('The stream', { 'text/event-stream': { schema: { type: 'string' } } }),
      },
      refusals: [],
    }),
  };
}

function agentPaths(): Json {
  return {
    '/healthz': {
      get: operation('getHealth', {
        summary: 'How the agent is',
        replies: {
          200: reply('It serves', contentOf('Health')),
          503: reply('The same, while it serves nothing', contentOf('Health')),
        },
      }),
    },
    '/metrics': {
      get: operation('getMetrics', {
        summary: 'The same for Prometheus',
        replies: { 200: reply('Metrics', { 'text/plain': { schema: { type: 'string' } } }) },
      }),
    },
    '/openapi.json': {
      get: operation('getDocument', {
        summary: 'This document',
        replies: {
          200: reply('OpenAPI 3.1', { 'application/json': { schema: { type: 'object' } } }),
        },
      }),
    },
  };
}
