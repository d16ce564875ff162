import { expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { makeAuthority } from './authority.ts';
import { linkErrorOf, startServer } from './server.ts';

test.each([
  ['whose line is slow is waited for as long as its reply comes', 16 * 1024, 600, 'all'],
  ['that sends byte by byte is given up', 1, 100, 'link.timeout'],
])('a peer %s', async (_, pieceBytes, everyMs, outcome) => {
  const authority = await makeAuthority();
  await using server = await startServer(await authority.issue(), (_request, response) => {
    let left = 4;
    const sending = setInterval(() => {
      response.write('x'.repeat(pieceBytes));
      left -= 1;
      if (left === 0 && outcome === 'all') response.end();
    }, everyMs);
    response.on('close', () => clearInterval(sending));
  });
  const link = new HttpsLink({ baseUrl: server.url, ca: authority.ca });
  const asked = link.request('GET', '/', { timeoutMs: 2000 });
  if (outcome === 'all') {
    const { body, bodyMs } = await asked;
    expect(body).toHaveLength(4 * pieceBytes);
    // The head comes with the first piece.
    expect(bodyMs).toBeGreaterThan(2 * everyMs);
  } else expect(await linkErrorOf(asked)).toMatchObject({ code: outcome });
  link.close();
});
