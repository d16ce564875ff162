import { describe, expect, test } from '@jest/globals';
import { waitingFor } from './waiting-for.ts';

/** Standard error, and its first line. */
function terminal(isTTY: boolean) {
  const lines: string[] = [];
  const told = Promise.withResolvers<string>();
  const write = (text: string) => {
    lines.push(text);
    told.resolve(text);
  };
  return { stderr: { isTTY, write }, lines, told: told.promise };
}

describe('a command that takes its time', () => {
  test('tells a person what it waits for, and gives what came of it', async () => {
    const { stderr, told, lines } = terminal(true);
    expect(await waitingFor('asking the agent', { stderr }, told, 1)).toBe(lines[0]);
    expect(lines).toEqual(['sallyport-agent: asking the agent …\n']);
  });

  test('tells it by how far it is by then', async () => {
    const { stderr, told } = terminal(true);
    let files = 0;
    const waiting = waitingFor(() => `${files} files`, { stderr }, told, 1);
    files = 7;
    expect(await waiting).toBe('sallyport-agent: 7 files …\n');
  });

  test('tells nothing where no person is, nor when it is quick', async () => {
    const [pipe, quick] = [terminal(false), terminal(true)];
    const late = new Promise((resolve) => setTimeout(resolve, 5, 'late'));
    expect(await waitingFor('asking', pipe, late, 1)).toBe('late');
    expect(await waitingFor('asking', quick, Promise.resolve('at once'))).toBe('at once');
    expect([...pipe.lines, ...quick.lines]).toEqual([]);
  });

  test('fails as what it waits for does', async () => {
    const failing = Promise.reject(new Error('it broke'));
    await expect(waitingFor('asking', terminal(true), failing)).rejects.toThrow('it broke');
  });
});
