import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { makeAuthority } from './authority.ts';
import { linkErrorOf, startServer } from './server.ts';

test('[BM-21] a request goes on over its connection, however often the certificates are replaced meanwhile, and ends with the link', async () => {
  const { ca, issue } = await makeAuthority();
  const held: ServerResponse[] = [];
  await using server = await startServer(await issue(), (_, response) => void held.push(response));
  const link = new HttpsLink({ baseUrl: server.url, ca });
  const asked = () => once(server.server, 'request');
  const reply = link.request('POST', '/');
  const [{ socket }] = await asked();
  for (let times = 0; times < 3; times += 1) link.replace({ ca });
  const ended = once(socket, 'close');
  held.pop()?.end('late');
  expect((await reply).body.toString()).toBe('late');
  await ended;
  const other = linkErrorOf(link.request('POST', '/'));
  await asked();
  for (let times = 0; times < 3; times += 1) link.replace({ ca });
  link.close();
  expect(await other).toMatchObject({ code: 'link.aborted' });
});
