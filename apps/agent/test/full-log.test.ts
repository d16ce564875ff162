import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, enrollWith, until, type Enrolled } from './harness.ts';
import { agentCommand } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let flags: string[];
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'first');
  enrolled = await enrollWith(double);
  flags = ['--state-dir', enrolled.stateDir, '--socket', enrolled.socket];
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
  await expectNoLeftovers();
});

const served = async (value: string) =>
  until(async () => {
    const reply = await askSocket(enrolled.socket, '/v1/secrets/db/password').catch(
      () => undefined,
    );
    return reply?.status === 200 && JSON.parse(reply.body).value === value;
  });

/** In sh: standard error is a pipe that is full, and that nobody reads. */
const UNREAD =
  'f=$(mktemp -u); mkfifo "$f"; exec 2<>"$f"; rm "$f"; head -c 65536 /dev/zero >&2; exec "$0" "$@"';

const describeOnLinux = process.platform === 'linux' ? describe : describe.skip;

describeOnLinux('with a full disk under standard error', () => {
  const unheard = (...args: string[]): TestProcess =>
    startProcess({ command: ['sh', '-c', 'exec "$0" "$@" 2>/dev/full', ...agentCommand, ...args] });

  test('the agent serves, follows the control plane and stops as ever', async () => {
    const agent = unheard('run', ...flags);
    await served('first');
    double.putSecret('db/password', 'second');
    await served('second');
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });

  test.each([
    ['get without a running agent', 4, ['get', 'db/password', '--socket']],
    ['run before an enrolment', 7, ['run', '--state-dir']],
    ['a wrong command line', 2, ['get', '--socket']],
  ])('%s exits %i all the same', async (_, code, args) => {
    const nowhere = join(enrolled.home.path, 'nowhere');
    expect(await unheard(...args, nowhere).exited).toEqual({ code, signal: null });
  });
});

describeOnLinux('where nobody reads what it says on standard error', () => {
  test('the agent serves, follows the control plane and stops as ever', async () => {
    const agent = startProcess({ command: ['sh', '-c', UNREAD, ...agentCommand, 'run', ...flags] });
    double.putSecret('db/password', 'unread');
    await served('unread');
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });
});

test('a defect that ends the agent leaves its frames in the log, and no value', async () => {
  // Joined there: the frame names its place, which is this text.
  const defect = `process.on('SIGUSR2', function defect() { throw new Error(['can', 'ary'].join('')) })`;
  const [node, main] = agentCommand;
  const agent = startProcess({
    command: [
      node,
      '--import',
      `data:text/javascript,${encodeURIComponent(defect)}`,
      main,
      'run',
      ...flags,
    ],
  });
  await agent.waitForLine(/"listening"/);
  agent.kill('SIGUSR2');
  expect(await agent.exited).toEqual({ code: 1, signal: null });
  const lines = agent.stderr.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  expect(lines.at(-1)).toMatchObject({
    level: 'error',
    code: 'agent.internal',
    stack: expect.stringMatching(/^ {4}at process\.defect/),
  });
  expect(agent.output()).not.toContain('canary');
});
