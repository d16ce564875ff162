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

test('a reply whose body was long in coming tells the time of its head', async () => {
  const clock = createClock();
  const date = new Date(clock.now()).toUTCString();
  const link: Pick<Link, 'request'> = {
    request: async () => {
      clock.advance(100_000);
      return { status: 200, headers: { date }, body: Buffer.alloc(0), bodyMs: 100_000 };
    },
  };
  const serverClock = new ServerClock(clock);
  await call(link, serverClock, { method: 'GET', path: '/' });
  expect(Math.abs(serverClock.offsetMs() ?? Infinity)).toBeLessThanOrEqual(1000);
});

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
