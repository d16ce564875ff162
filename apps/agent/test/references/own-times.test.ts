import { expect, test } from '@jest/globals';
import { agentConfig } from '../../src/config.ts';
import { STALE } from '../../src/local-api/values.ts';
import { runAgent } from '../run-agent.ts';
import { runningAgent } from '../running-agent.ts';
import { vaultSubject } from './subjects.ts';

test('[SG-32] [SG-39] a reference with times of its own is asked for sooner than another, and alone served as stale, marked', async () => {
  await using vault = await vaultSubject();
  await vault.put('db', 'canary');
  const { references, freshness } = agentConfig.parse({
    references: vault.settings,
    freshness: [{ secrets: ['db/*'], cacheSeconds: 0, staleSeconds: 600 }],
  });
  const names = ['db/password', 'other', 'another'];
  const { daemon, end } = await runningAgent(
    (double) => {
      for (const name of names) double.putReference(name, vault.uriOf('db'));
    },
    { references, freshness },
  );
  const ask = (name: string) => daemon.ask(`/v1/secrets/${name}`);
  const askedVault = async (name: string) => {
    const before = vault.peer?.askedFor('/v1/kv/data/').length ?? 0;
    await ask(name);
    await ask(name);
    return (vault.peer?.askedFor('/v1/kv/data/').length ?? 0) - before;
  };
  expect(await askedVault('other')).toBe(1);
  expect(await askedVault('db/password')).toBe(2);
  vault.peer?.failAll({ status: 500 });
  expect(await ask('db/password')).toMatchObject({ status: 200, headers: { warning: STALE } });
  expect((await ask('another')).status).toBe(503);
  await end();
});

test('[SG-39] a value that takes longer than any other answer may is waited for by agent and command', async () => {
  await using vault = await vaultSubject();
  await vault.put('db', 'canary');
  const given = { ...vault.settings, timeoutSeconds: 60 };
  const { references } = agentConfig.parse({ references: given });
  const { daemon, enrolled, end } = await runningAgent(
    (double) => {
      for (const name of ['first', 'slow']) double.putReference(name, vault.uriOf('db'));
    },
    { references },
  );
  // Which logs in to Vault.
  expect((await daemon.ask('/v1/secrets/first')).status).toBe(200);
  vault.peer?.failNext({
    status: 200,
    json: { data: { data: { value: 'late' } } },
    afterMs: 31_000,
  });
  const asked = await runAgent(['get', 'slow', '--socket', enrolled.socket]);
  expect(asked).toEqual({ code: 0, stdout: 'late', stderr: '' });
  await end();
}, 60_000);
