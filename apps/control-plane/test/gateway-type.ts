/** A plugin type with encrypted fields: nested, in a list, in a map; and one that only looks secret. */
export const gatewayType = {
  name: 'gateway',
  description: 'An API gateway',
  schema: {
    type: 'object',
    properties: {
      url: { type: 'string' },
      auth: {
        type: 'object',
        properties: { user: { type: 'string' }, password: { type: 'string', minLength: 8 } },
      },
      targets: {
        type: 'array',
        items: {
          type: 'object',
          properties: { host: { type: 'string' }, token: {} },
        },
      },
      keys: { type: 'object', additionalProperties: { type: 'string' } },
      tokenUrl: { type: 'string' },
    },
    additionalProperties: false,
  },
  encryptedFields: ['/auth/password', '/targets/*/token', '/keys/*'],
  publicFields: ['/tokenUrl'],
};
