import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import * as contract from './index.ts';

/** A problem document may grow (RFC 9457, section 3.2). This list only shrinks. */
const OPEN = ['problem'];

const schemas = Object.entries(contract).flatMap(([name, value]) =>
  value instanceof z.ZodType ? [{ name, schema: value }] : [],
);

/** Paths of the objects in a JSON Schema that take fields nobody declared. */
function openObjects(node: unknown, path = '#'): string[] {
  if (typeof node !== 'object' || node === null) return [];
  const declared = 'type' in node && node.type === 'object' && 'properties' in node;
  const here =
    declared && !('additionalProperties' in node && node.additionalProperties === false)
      ? [path]
      : [];
  return [
    ...here,
    ...Object.entries(node).flatMap(([key, child]) => openObjects(child, `${path}/${key}`)),
  ];
}

function openObjectsOf(schema: z.ZodType): string[] {
  return openObjects(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
}

describe('wire schemas', () => {
  test('the search for open objects finds one that is planted deep inside', () => {
    const planted = z.strictObject({
      a: z.array(z.union([z.string(), z.object({ b: z.string() })])),
    });
    expect(openObjectsOf(planted)).toHaveLength(1);
  });

  test.each(schemas.filter(({ name }) => !OPEN.includes(name)))(
    '[AT-19] $name is closed all the way down',
    ({ schema }) => {
      expect(openObjectsOf(schema)).toEqual([]);
    },
  );

  test.each(OPEN)('%s is still open, or else it is no exception', (name) => {
    expect(
      schemas.filter((entry) => entry.name === name && openObjectsOf(entry.schema).length > 0),
    ).toHaveLength(1);
  });
});

describe('[AT-19] an unknown field', () => {
  const id = '01890a5d-ac96-774b-bcce-b302099a8057';
  const point = 'A'.repeat(43);
  const facts = { agentVersion: '1', platform: 'linux', architecture: 'x64', runtime: 'node' };
  const bodies: [string, z.ZodType, Record<string, unknown>][] = [
    ['signing in', contract.signInBody, { name: 'owner', password: 'p' }],
    ['making a group', contract.createGroupBody, { name: 'plant-7' }],
    ['making a token', contract.createEnrollmentTokenBody, { uses: 2 }],
    ['writing a secret', contract.putSecretBody, { value: 'v', offline: 'allow' }],
    ['revealing a secret', contract.revealSecretBody, {}],
    ['writing a plugin', contract.putPluginBody, { config: { any: { thing: [1] } } }],
    ['making a task', contract.createTaskBody, { kind: 'diagnose' }],
    [
      'enrolling',
      contract.enrollBody,
      {
        protocol: 1,
        token: 'sp_enroll_x',
        name: 'host-1',
        signingKey: { kty: 'OKP', crv: 'Ed25519', x: point },
        encryptionKey: { kty: 'OKP', crv: 'X25519', x: point },
        proof: 'a.b.c',
        facts,
      },
    ],
    [
      'opening a session',
      contract.sessionBody,
      { protocol: 1, grantType: contract.ASSERTION_GRANT, assertion: 'a.b.c' },
    ],
    [
      'pulling',
      contract.pullBody,
      { protocol: 1, revision: 0, epoch: 0, status: 'ready', waitSeconds: 55, taskCapacity: 1 },
    ],
    ['failing a task', contract.failTaskBody, { lock: id, error: 'no' }],
  ];

  test.each(bodies)(
    'is refused when %s, and what is known alone is accepted',
    (_, schema, body) => {
      expect(schema.safeParse(body).success).toBe(true);
      expect(schema.safeParse({ ...body, unknown: 1 }).success).toBe(false);
      expect(
        schema.safeParse(
          JSON.parse(JSON.stringify(body).replace('{', '{"__proto__":{"x":1},').replace(',}', '}')),
        ).success,
      ).toBe(false);
    },
  );
});
