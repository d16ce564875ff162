import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..');

describe('[AX-27] the types', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-types-'));
    await cp(join(root, 'tsconfig.base.json'), join(folder, 'tsconfig.base.json'));
    await put('package.json', '{ "type": "module" }');
    for (const at of ['packages/contract', 'apps/control-plane']) {
      await put(`${at}/src/index.ts`, 'export const answer: number = 42;');
      await put(`${at}/tsconfig.json`, project(at));
    }
    await put(
      'apps/agent/tsconfig.json',
      project('apps/agent', '{ "path": "../../packages/contract" }'),
    );
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function put(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), `${text}\n`);
  }

  function project(at: string, references = ''): string {
    return `{
      "extends": "../../tsconfig.base.json",
      "compilerOptions": { "rootDir": ".", "outDir": "../../.tsbuild/${at}" },
      "include": ["src"],
      "references": [${references}]
    }`;
  }

  function build(): { status: number | null; stdout: string } {
    const tsc = join(root, 'node_modules/.bin/tsc');
    return spawnSync(tsc, ['-b', 'apps/agent'], { cwd: folder, encoding: 'utf8' });
  }

  test('accept what an app takes from a package that it references', async () => {
    const text = "export { answer } from '../../../packages/contract/src/index.ts';";
    await put('apps/agent/src/main.ts', text);
    expect(build()).toMatchObject({ status: 0, stdout: '' });
  });

  test.each([
    ['a value of the wrong type', "export const port: number = 'none';", 'TS2322'],
    [
      'an index that may be missing',
      'export const first = (a: string[]): string => a[0];',
      'TS2322',
    ],
    ['syntax that Node cannot strip', 'export enum Colour { Red }', 'TS1294'],
    [
      'an app that imports another',
      "export { answer } from '../../control-plane/src/index.ts';",
      'TS6059|TS6307',
    ],
  ])('refuse %s', async (_what, text, code) => {
    await put('apps/agent/src/main.ts', text);
    const { status, stdout } = build();
    expect(stdout).toMatch(new RegExp(`apps/agent/src/main.ts.*error (${code})`));
    expect(status).not.toBe(0);
  });
});
