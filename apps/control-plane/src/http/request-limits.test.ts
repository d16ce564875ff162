import { expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { AppError } from '../platform/app-error.ts';
import { RequestLimits } from './request-limits.ts';

const request = { ip: '192.0.2.1' };
const rates = { perPrincipal: 1, perAddress: 1, eventsPerAgent: 1 };

test.each([
  ['session.invalid', 'is no credential', true],
  ['server.unavailable', 'could not be looked at', false],
] as const)('[F-23] %s: what %s counts against the address: %s', async (code, _why, counts) => {
  const limits = new RequestLimits(createClock(), rates);
  const refused = async () => {
    throw new AppError(code, 'Words.');
  };
  for (let shown = 0; shown < 10; shown += 1)
    await expect(limits.countRefusal(request, refused)).rejects.toMatchObject({ code });
  const next = () => limits.refuseNoisyStranger(request);
  if (counts) expect(next).toThrow(expect.objectContaining({ code: 'rate.limited' }));
  else expect(next).not.toThrow();
});
