import { expect, test } from '@jest/globals';
import { urlOf } from './access.ts';

test.each([
  ['https://CP.Example.org:9443', 'https://cp.example.org:9443'],
  ['HTTPS://cp.example.org:443', 'https://cp.example.org'],
  ['https://cp.example.org/', 'https://cp.example.org'],
  ['https://[0:0::1]:9443', 'https://[::1]:9443'],
  ['https://bücher.example', 'https://xn--bcher-kva.example'],
  ['https://cp.example.org/below/', 'https://cp.example.org/below'],
])('[AX-19] a proof names %s as the Host header of its request does', (controlPlane, base) => {
  expect(urlOf({ controlPlane }, '/agent/v1/pull')).toBe(`${base}/agent/v1/pull`);
});
