import { describe, expect, test } from '@jest/globals';
import { localApiSettings } from './local-api-settings.ts';

describe('[A7-21] [SG-38] the settings of the TCP listener', () => {
  const problemsOf = (tcp: Record<string, unknown>) => {
    const { error } = localApiSettings.safeParse({ tcp });
    return error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? [];
  };
  const address = '127.0.0.1:8200';
  const tokenFile = '/run/token';

  test.each([
    { address, tokenFile },
    { address: '[::1]:8200', tokenFile },
    {
      address,
      keystore: { file: '/k' },
      truststore: { file: '/t' },
      clientNames: ['spiffe://shop.example/web'],
    },
  ])('may be %j', (tcp) => {
    expect(problemsOf(tcp)).toEqual([]);
  });

  test.each([
    ['tcp.tokenFile is needed', { address }],
    ['tcp.address use 127.0.0.1', { address: '0.0.0.0:8200', tokenFile }],
    ['tcp.address use 127.0.0.1', { address: '10.0.0.1:8200', tokenFile }],
    ['tcp.address use 127.0.0.1', { address: 'localhost:8200', tokenFile }],
    [
      'tcp.keystore.file is needed',
      { address, clientNames: ['spiffe://shop.example/web'], truststore: { file: '/t' } },
    ],
    [
      'tcp.clientNames is needed',
      { address, keystore: { file: '/k' }, truststore: { file: '/t' } },
    ],
    [
      'tcp.truststore.file is needed',
      { address, tokenFile, clientNames: ['spiffe://shop.example/web'] },
    ],
  ])('are refused: %s', (problem, tcp) => {
    expect(problemsOf(tcp)).toEqual([expect.stringContaining(problem)]);
  });
});
