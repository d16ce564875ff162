import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { startCommand } from './start-command.ts';

test('[SG-41] an agent is started by the flags that were given, each one word to a shell', () => {
  const given = { stateDir: "/srv/it's $HOME", socket: '/run/a.sock', config: undefined };
  const command = startCommand(given);
  expect(command).toContain('--socket /run/a.sock');
  const words = execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' });
  expect(words.trimEnd().split('\n')).toEqual([
    ...['sallyport-agent', 'run'],
    ...['--state-dir', given.stateDir, '--socket', given.socket],
  ]);
});

test('[SG-41] and without any, where none was given: the environment is there then too', () => {
  expect(startCommand({})).toBe('sallyport-agent run');
});
