import { fchownSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { fileFault } from './file-fault.ts';

const NO_HANDLE = 2 ** 20;

/** What the system says of it. */
function refused(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}

test('[SG-18] a file that cannot be given away is told from one that cannot be written', () => {
  const given = fileFault(
    refused(() => fchownSync(NO_HANDLE, 0, 0)),
    'shop.ini',
  );
  expect(given.message).toBe('shop.ini cannot be given to its owner and group (EBADF)');
  expect(given.advice).toContain('leave out --owner and --group');

  const written = fileFault(
    refused(() => writeFileSync('/no/such/folder', '')),
    'shop.ini',
  );
  expect(written.message).toBe('shop.ini cannot be written (ENOENT)');
  expect(written.advice).toContain('its directory');
});
