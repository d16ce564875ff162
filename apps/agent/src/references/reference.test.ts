import { describe, expect, test } from '@jest/globals';
import { secretReference } from '@sallyport/contract';
import fc from 'fast-check';
import { AgentError } from '../agent-error.ts';
import { parseReference } from './reference.ts';

describe('[AT-13] a reference is read', () => {
  test.each([
    ['vault://kv/shop/db#password', { mount: 'kv', path: 'shop/db', field: 'password' }],
    ['vault://kv/db?version=3#/a/b', { mount: 'kv', path: 'db', version: '3', field: '/a/b' }],
    ['vault://team%2Fkv/db', { mount: 'team/kv', path: 'db' }],
    ['aws-sm://shop/db#user', { secretId: 'shop/db', field: 'user' }],
    [
      'aws-sm://arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/db-AbCdEf',
      { secretId: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/db-AbCdEf' },
    ],
    ['azure-kv://shop/db-password', { vault: 'shop', secret: 'db-password' }],
    ['azure-kv://shop/db?version=0a1', { vault: 'shop', secret: 'db', version: '0a1' }],
    ['k8s://shop/db/pass_word.txt', { namespace: 'shop', secret: 'db', key: 'pass_word.txt' }],
    ['file:///run/secrets/db%20%23', { path: '/run/secrets/db #' }],
    ['file:///run/db.json#user', { path: '/run/db.json', field: 'user' }],
    ['env://DB_PASSWORD', { variable: 'DB_PASSWORD' }],
    ['exec://db-password#user', { command: 'db-password', field: 'user' }],
  ])('%s', (uri, expected) => {
    const [scheme] = uri.split('://');
    expect(parseReference(uri, 'the secret db')).toEqual({ scheme, ...expected });
    // The control plane takes whatever the agent can read.
    expect(secretReference.parse(uri)).toBe(uri);
  });

  test.each([
    'canary',
    'https://canary/x',
    'canary://x',
    'vault://canary',
    'vault://kv/canary?version=0',
    'vault://kv/canary?other=1#x',
    'vault://kv//canary#x',
    'vault://kv/canary#',
    'vault://kv/../canary#x',
    'vault://kv/%2e%2e/canary#x',
    'vault://kv/a%2F..%2Fcanary#x',
    'vault://kv/canary%zz#x',
    'vault://kv/canary%00#x',
    'aws-sm://canary?version=1',
    'aws-sm://canary canary',
    'azure-kv://canary',
    'azure-kv://shop/canary/more',
    'azure-kv://shop.canary.example/x',
    'azure-kv://shop/canary#x',
    'k8s://canary/x',
    'k8s://shop/../canary',
    'k8s://shop/db/canary/more',
    'file://canary/x',
    'file:///',
    'file:///run/../canary',
    'file:///run/canary/',
    'env://canary-x',
    'env://CANARY/x',
    'exec:///bin/canary',
    'exec://canary x',
    `file:///${'canary/'.repeat(400)}x`,
  ])('%s is refused, and the error repeats nothing of it but a scheme', (uri) => {
    const error = errorOf(uri);
    expect(error).toMatchObject({ code: 'reference.invalid', advice: expect.any(String) });
    expect(error.message).toContain('the secret db');
    expect(`${error.message}${error.advice}`.toLowerCase()).not.toContain('canary');
  });

  test.each([
    'vault://kv//canary#x',
    'vault://kv/../canary#x',
    'vault://kv/%2e%2e/canary#x',
    'vault://kv/a%2F..%2Fcanary#x',
    'vault://kv/canary%zz#x',
    'vault://kv/x#canary%zz',
    'vault://kv/canary%00#x',
    'aws-sm://canary/./x',
    'k8s://shop/../canary',
    'file:///run/../canary',
    'file:///run//canary',
    'file:///run/canary/',
    'file:////canary',
  ])('%s is refused by the control plane too, where it is typed', (uri) => {
    expect(errorOf(uri).code).toBe('reference.invalid');
    expect(secretReference.safeParse(uri).error?.message).toContain('`..`');
  });

  test('whatever it is: as one that leads nowhere upwards, or not at all', () => {
    const scheme = fc.constantFrom('vault', 'aws-sm', 'azure-kv', 'k8s', 'file', 'env', 'exec');
    fc.assert(
      fc.property(scheme, fc.string({ unit: 'binary-ascii' }), (name, rest) => {
        try {
          const reference = parseReference(`${name}://${rest}`, 'x');
          const names = JSON.stringify({ ...reference, field: '' }).split(/[/"]/);
          expect(names).not.toContain('..');
        } catch (error) {
          expect(error).toMatchObject({ code: 'reference.invalid' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

function errorOf(uri: string): AgentError {
  try {
    parseReference(uri, 'the secret db');
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error('was read');
}
