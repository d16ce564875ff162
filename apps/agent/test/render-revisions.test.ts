import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { changingAgent, type ChangingAgent } from './changing-agent.ts';
import { runAgent } from './run-agent.ts';

let agent: ChangingAgent;
afterEach(() => agent.end());

async function render() {
  const template = join(agent.home, 'template');
  await writeFile(template, '{{ "a" | secret }}{% assign c = "c" | config %}{{ c.value }}');
  const files = ['--template', template, '--output', join(agent.home, 'output')];
  return runAgent(['render', '--socket', agent.socket, ...files]);
}

const round = ['/v1/secrets', '/v1/secrets/a', '/v1/config/c', '/v1/secrets'];

describe('[SG-25] render writes values of one revision', () => {
  test.each([
    ['a secret and what comes before it', 1],
    ['a configuration and the secret', 2],
    ['the configuration and what comes after it', 3],
  ])('by reading all again when it changed between %s', async (_, lastOfOld) => {
    agent = await changingAgent((request) => (request <= lastOfOld ? 1 : 2));
    expect(await render()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await readFile(join(agent.home, 'output'), 'utf8')).toBe('22');
    expect(agent.asked).toEqual([...round, ...round]);
  });

  test('by reading all again when a secret alone was of another one', async () => {
    agent = await changingAgent((request) => (request === 2 ? 1 : 2));
    expect((await render()).code).toBe(0);
    expect(await readFile(join(agent.home, 'output'), 'utf8')).toBe('22');
    expect(agent.asked).toEqual([...round, ...round]);
  });

  test('or writes nothing when it changes every time', async () => {
    agent = await changingAgent((request) => request);
    const { code, stderr } = await render();
    expect(code).toBe(4);
    expect(stderr).toMatch(/^sallyport-agent: the secrets changed each of the 5 times/);
    expect(agent.asked).toHaveLength(20);
    expect(await readdir(agent.home)).not.toContain('output');
  });
});
