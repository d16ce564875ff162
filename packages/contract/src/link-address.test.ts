import { describe, expect, test } from '@jest/globals';
import { linkAddress, splitAddress } from './link-address.ts';

describe('[BM-01] the address of a link', () => {
  test.each([
    ['agent.example:9444', 'agent.example', 9444],
    ['Agent-7.Example:1', 'agent-7.example', 1],
    ['agent:65535', 'agent', 65535],
    ['10.0.0.7:9444', '10.0.0.7', 9444],
    ['[fd00::7]:9444', 'fd00::7', 9444],
    ['[::ffff:10.0.0.7]:9444', '::ffff:10.0.0.7', 9444],
  ])('%s is taken', (address, host, port) => {
    expect(splitAddress(linkAddress.parse(address))).toEqual({ host, port });
  });

  test.each([
    '',
    'agent.example',
    'agent.example:0',
    'agent.example:65536',
    'agent.example:09444',
    'agent.example.:9444',
    'agent..example:9444',
    '-agent:9444',
    'https://agent.example:9444',
    'user@agent.example:9444',
    'agent.example:9444/path',
    'agent example:9444',
    'agent.example:9444\n',
    'ägent.example:9444',
    '10.0.0:9444',
    '10.0.0.256:9444',
    '0x7f.1:9444',
    '2130706433:9444',
    'fd00::7:9444',
    '[fd00::7]9444',
    '[fd00::7%eth0]:9444',
    '[agent.example]:9444',
    `${'a'.repeat(64)}:9444`,
    `${'a.'.repeat(127)}a:9444`,
  ])('%j is refused', (address) => {
    expect(linkAddress.safeParse(address).success).toBe(false);
    expect(() => splitAddress(address)).toThrow(TypeError);
  });
});
