import { expect, test } from '@jest/globals';
import { route } from './api-client.ts';

test.each(['db/password', 'a b', '?x=1', '#x', '%2e%2e', 'ü'])(
  'the part %j of a path stays one part',
  (part) => {
    const { pathname, search, hash } = new URL(route`/groups/${part}/secrets`, 'https://host');
    expect({ search, hash }).toEqual({ search: '', hash: '' });
    expect(pathname.split('/').map(decodeURIComponent)).toEqual(['', 'groups', part, 'secrets']);
  },
);
