import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { AgentError } from '../agent-error.ts';
import { Generations } from './generations.ts';
import { StateDirectory } from './state-directory.ts';

let home: TempDirectory;
let state: StateDirectory;
beforeEach(async () => {
  home = await createTempDirectory('generations');
  state = await StateDirectory.open(`${home.path}/state`);
});
afterEach(async () => {
  state[Symbol.dispose]();
  await home.remove();
});

test('each session is left with another generation, which the next one shows', async () => {
  const generations = new Generations(state);
  const first = await generations.show();
  expect(first).toEqual({ current: null, next: expect.stringMatching(/^[\w-]{22}$/) });
  if (first !== undefined) await generations.taken(first);
  const second = await generations.show();
  expect(second).toMatchObject({ current: first?.next });
  expect(second?.next).not.toBe(first?.next);
});

test('until it is taken the same is shown again, also after a crash', async () => {
  const first = await new Generations(state).show();
  expect(await new Generations(state).show()).toEqual(first);
});

test('what nobody can read any more begins anew, as a copy would', async () => {
  await state.write('generation.json', '{"current":');
  expect(await new Generations(state).show()).toMatchObject({ current: null });
});

const fullDisk = {
  read: () => state.read('generation.json'),
  write: async () => {
    throw new AgentError('state.unusable', 'the disk is full');
  },
};

test('where nothing can be written nothing moves on, and a row that never began does not begin', async () => {
  expect(await new Generations(fullDisk).show()).toBeUndefined();
  const shown = await new Generations(state).show();
  if (shown !== undefined) await new Generations(state).taken(shown);
  const { next } = shown ?? {};
  expect(await new Generations(fullDisk).show()).toEqual({ current: next, next });
});

test('[F-10] what was shown before the disk was full is shown again, as the control plane may have taken it', async () => {
  for (let sessions = 0; sessions < 2; sessions += 1) {
    const shown = await new Generations(state).show();
    if (shown !== undefined) await new Generations(fullDisk).taken(shown);
    expect(await new Generations(fullDisk).show()).toEqual(shown);
    if (shown !== undefined) await new Generations(state).taken(shown);
  }
});
