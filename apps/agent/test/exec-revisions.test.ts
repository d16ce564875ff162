import { afterEach, describe, expect, test } from '@jest/globals';
import { changingAgent, type ChangingAgent } from './changing-agent.ts';
import { runAgent } from './run-agent.ts';

let agent: ChangingAgent;
afterEach(() => agent.end());

/** Exits 0 when both values are the same. */
const compare = () =>
  runAgent([
    ...['exec', '--socket', agent.socket, '--env', 'A=secret:a', '--env', 'B=secret:b'],
    ...['--', 'sh', '-c', '[ "$A" = "$B" ]'],
  ]);

describe('[SG-25] exec gives a command the values of one revision', () => {
  test('by reading all again when it changed in between', async () => {
    agent = await changingAgent((request) => (request === 1 ? 1 : 2));
    expect((await compare()).code).toBe(0);
    expect(agent.asked).toHaveLength(4);
  });

  test('or does not start it when it changes every time', async () => {
    agent = await changingAgent((request) => request);
    const { code, stderr } = await compare();
    expect(code).toBe(4);
    expect(stderr).toMatch(/^sallyport-agent: the secrets changed each of the 5 times/);
    expect(agent.asked).toHaveLength(10);
  });
});
