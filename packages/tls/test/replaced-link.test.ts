import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { secureContextFor } from '../src/secure-context.ts';
import { makeAuthority } from './authority.ts';
import { Issuer } from './issuer.ts';
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

test('links with the same CA share what it was parsed into, for the last 16 of them, and never an identity', async () => {
  const { ca, issue } = await makeAuthority();
  const others = await Promise.all(Array.from({ length: 16 }, () => makeAuthority()));
  const first = secureContextFor(ca);
  for (const other of others.slice(1)) secureContextFor(other.ca);
  expect(secureContextFor(ca)).toBe(first);
  const identity = await issue();
  const own = secureContextFor(ca, undefined, identity);
  expect([first, secureContextFor(ca, undefined, identity)]).not.toContain(own);
  secureContextFor(others[0]?.ca);
  expect(secureContextFor(ca)).not.toBe(first);
});

test('an intermediate CA that is given is trusted without its root', async () => {
  const intermediate = await (await Issuer.root()).intermediate();
  const { chain, key } = await intermediate.leaf({ names: [{ type: 'ip', value: '127.0.0.1' }] });
  await using server = await startServer({ cert: chain, key }, (_, response) => response.end());
  const link = new HttpsLink({ baseUrl: server.url, ca: intermediate.pem });
  expect((await link.request('GET', '/')).status).toBe(200);
  link.close();
});
