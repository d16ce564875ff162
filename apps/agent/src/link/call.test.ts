import { describe, expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { call, type Link } from './call.ts';
import { ServerClock } from './server-clock.ts';

async function refusedWith(headers: Record<string, string>): Promise<unknown> {
  const link: Pick<Link, 'request'> = {
    request: async () => ({ status: 503, headers, body: Buffer.alloc(0) }),
  };
  const asked = { method: 'GET', path: '/' } as const;
  return call(link, new ServerClock(createClock()), asked).catch((error: unknown) => error);
}

describe('the wait that a refusal asks for', () => {
  test.each([
    ['0', 0],
    ['7', 7000],
    ['300', 300_000],
    ['301', 300_000],
    ['2592000', 300_000],
    ['9'.repeat(400), 300_000],
  ])('of %s seconds is %i ms', async (header, retryAfterMs) => {
    expect(await refusedWith({ 'retry-after': header })).toMatchObject({ retryAfterMs });
  });

  test.each(['-5', '', ' ', '1e3', '0x10', '2.5', 'Infinity', 'Wed, 21 Oct 2026 07:28:00 GMT'])(
    'is not made of %p',
    async (header) => {
      const refusal = await refusedWith({ 'retry-after': header });
      expect(refusal).toMatchObject({ code: 'reply.unexpected', retryAfterMs: undefined });
    },
  );
});
