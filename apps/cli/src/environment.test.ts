import { homedir } from 'node:os';
import { expect, test } from '@jest/globals';
import { readEnvironment } from './environment.ts';

test.each([
  ['the home directory when nothing is set', {}, `${homedir()}/.config/sallyport`],
  ['XDG_CONFIG_HOME', { XDG_CONFIG_HOME: '/xdg' }, '/xdg/sallyport'],
  [
    'the home directory when XDG_CONFIG_HOME is relative',
    { XDG_CONFIG_HOME: 'xdg' },
    `${homedir()}/.config/sallyport`,
  ],
  [
    'SALLYPORT_CONFIG_DIR before all',
    { SALLYPORT_CONFIG_DIR: '/own', XDG_CONFIG_HOME: '/xdg' },
    '/own',
  ],
  [
    'the home directory when both are empty',
    { SALLYPORT_CONFIG_DIR: '', XDG_CONFIG_HOME: '' },
    `${homedir()}/.config/sallyport`,
  ],
])('the session is kept under %s', (_, env, directory) => {
  expect(readEnvironment(env).configDirectory).toBe(directory);
});

test('an empty password variable counts as none', () => {
  expect(readEnvironment({ SALLYPORT_PASSWORD: '', SALLYPORT_PASSWORD_FILE: '' })).toMatchObject({
    password: undefined,
    passwordFile: undefined,
  });
});
