import { expect, test } from '@jest/globals';
import { LinkError } from '@sallyport/tls/https-link';
import { DialledLink } from './dialled-link.ts';

test('a fault of the control plane’s own ends nothing: it is told, and the agent is dialled again', async () => {
  const fault = new Error('key too small');
  const again = Promise.withResolvers<void>();
  const defects: unknown[] = [];
  const failures: string[] = [];
  const faults = [fault, new LinkError('link.refused', '', { retryable: true })];
  const link = new DialledLink({
    dial: async () => {
      const next = faults.shift();
      if (faults.length === 0) again.resolve();
      throw next ?? fault;
    },
    serve: () => {},
    random: () => 0,
    onConnected: () => {},
    onFailed: ({ code }) => void failures.push(code),
    onDefect: (error) => void defects.push(error),
  });
  link.start();
  await again.promise;
  link.close();
  expect(defects).toEqual([fault]);
  expect(failures[0]).toBe('link.not_begun');
});
