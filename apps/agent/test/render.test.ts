import { spawnSync } from 'node:child_process';
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { runAgent, type Outcome } from './run-agent.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

const SECRET = 'pä$$ <"word">';
let agent: RunningAgent;
let folder: string;
let template: string;
let output: string;
let count = 0;

beforeAll(async () => {
  agent = await runningAgent((double) => {
    double.putSecret('db/password', SECRET);
    double.putSecret('db/login', '{"user":"shop"}');
    double.putPlugin('rate-limit', {
      perSecond: 5,
      name: null,
      hosts: ['a', 'b'],
      gaps: ['a', null],
    });
  });
});
beforeEach(async () => {
  folder = join(agent.enrolled.home.path, `render-${(count += 1)}`);
  await mkdir(folder);
  template = join(folder, 'template');
  output = join(folder, 'output');
});
afterAll(() => agent.end());

async function render(text: string, ...args: string[]): Promise<Outcome> {
  await writeFile(template, text);
  const socket = ['--socket', agent.enrolled.socket];
  return runAgent(['render', ...socket, '--template', template, '--output', output, ...args]);
}

const written = async () => readFile(output, 'utf8');
const done = { code: 0, stdout: '', stderr: '' };

describe('[SG-18] render', () => {
  test('writes secrets, fields of them and configurations, as they are', async () => {
    const text = [
      'password={{ "db/password" | secret }}',
      'user={{ "db/login" | secret: "user" }}',
      '{% assign limit = "rate-limit" | config %}rate={{ limit.perSecond }}',
      '{% for host in limit.hosts %}{{ host }};{% endfor %}{{ limit | json }}',
    ];
    expect(await render(text.join('\n'))).toEqual(done);
    expect(await written()).toBe(
      `password=${SECRET}\nuser=shop\nrate=5\na;b;{"perSecond":5,"name":null,"hosts":["a","b"],"gaps":["a",null]}`,
    );
    expect((await stat(output)).mode & 0o7777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['output', 'template']);
  });

  test.each([
    [
      'a secret that is not there',
      '\n{{ "nowhere" | secret }}',
      3,
      'line 2, column 1: nowhere: the group is delivered no',
    ],
    ['a field that is not there', '{{ "db/login" | secret: "x" }}', 3, 'column 1: db/login: '],
    [
      'a configuration that is not there',
      '{{ "none" | config }}',
      3,
      'line 1, column 1: none: the group is delivered no',
    ],
    ['a name that is none', '{{ "../x" | secret }}', 2, 'column 1: that cannot be'],
    ['a variable that is not there', '\n\n{{ password }}', 3, 'line 3, column 4: password is'],
    ['a condition on what is not there', '{% if x %}y{% endif %}', 3, 'column 7: x is not'],
    [
      'a member that is not there',
      '{% assign c = "rate-limit" | config %}{{ c.x }}',
      3,
      'line 1, column 42: c.x is not there',
    ],
    [
      'a member that is null',
      '{% assign c = "rate-limit" | config %}{{ c.name }}',
      3,
      'is not there',
    ],
    [
      'null in a filter',
      '{% assign c = "rate-limit" | config %}{{ c.name | upcase }}',
      3,
      'upcase is given is not there',
    ],
    [
      'null that a filter is given',
      '{% assign c = "rate-limit" | config %}{{ "p=" | append: c.name }}',
      3,
      'append is given is not there',
    ],
    [
      'null in a list',
      '{% assign c = "rate-limit" | config %}{{ c.gaps | join: "," }}',
      3,
      'is not there',
    ],
    ['a whole object', '{{ "rate-limit" | config }}', 2, '| json'],
    ['an unknown filter', '{{ "db/password" | secrets }}', 2, 'there is no filter secrets'],
    ['a tag that is not closed', 'a\n{% if true %}', 2, 'line 2, column 1: the tag if is'],
    ['a file to include', '{% include "/etc/hostname" %}', 2, 'files cannot be included'],
    ['a file to render', '{% render "/etc/hostname" %}', 2, 'files cannot be included'],
    ['a layout', '{% layout "/etc/hostname" %}', 2, 'files cannot be included'],
  ])('of %s writes nothing, and names the line', async (_, text, code, message) => {
    await writeFile(output, 'before');
    const outcome = await render(`${text}`);
    expect(outcome).toEqual({ code, stdout: '', stderr: expect.stringContaining(message) });
    expect(outcome.stderr).toContain(template);
    expect(await written()).toBe('before');
  });

  test('tells no value where a filter fails on one', async () => {
    const outcome = await render(
      '{% assign p = "db/password" | secret %}{% assign c = "rate-limit" | config %}{{ c[p] }}',
    );
    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toContain('a value is not there');
    expect(outcome.stderr).not.toContain('word');
  });

  test.each([
    ['a mode that is none', ['--mode', '0999'], '--mode is no mode'],
    ['both --once and --watch', ['--once', '--watch'], 'exclude each other'],
    ['an unknown owner', ['--owner', 'nobody-of-this-name'], 'no user nobody-of-this-name'],
    ['no number', ['--command-timeout', 'x'], '--command-timeout is not a number'],
  ])('with %s writes nothing', async (_, args, message) => {
    const outcome = await render('x', ...args);
    expect(outcome).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
    expect(await readdir(folder)).toEqual(['template']);
  });

  test('without a template exits 2 and names it', async () => {
    const args = ['--template', join(folder, 'none'), '--output', output];
    const { code, stderr } = await runAgent(['render', ...args]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('(ENOENT)') });
  });
});

describe('[SG-18] the file that render writes', () => {
  test('is not written when it is the same, and runs no command then', async () => {
    const touch = ['--', 'sh', '-c', 'echo run >> "$0"', join(folder, 'runs')];
    expect(await render('a', ...touch)).toEqual(done);
    const { ino } = await stat(output);
    expect(await render('a', ...touch)).toEqual(done);
    expect((await stat(output)).ino).toBe(ino);
    expect(await render('b', ...touch)).toEqual(done);
    expect((await stat(output)).ino).not.toBe(ino);
    expect(await readFile(join(folder, 'runs'), 'utf8')).toBe('run\nrun\n');
  });

  test('gets its mode also where its text is the same', async () => {
    await render('a');
    await chmod(output, 0o644);
    await render('a', '--mode', '0640', '--', 'touch', join(folder, 'ran'));
    expect(await readdir(folder)).not.toContain('ran');
    expect((await stat(output)).mode & 0o7777).toBe(0o640);
  });

  test('is kept as .bak with its mode by --backup, when it is another', async () => {
    await render('one', '--mode', '0640');
    await render('one', '--backup');
    expect(await readdir(folder)).toEqual(['output', 'template']);
    await chmod(output, 0o640);
    await render('two', '--backup');
    expect(await readFile(`${output}.bak`, 'utf8')).toBe('one');
    expect((await stat(`${output}.bak`)).mode & 0o7777).toBe(0o640);
    expect(await written()).toBe('two');
  });

  test('is rid of what killed processes left beside it, and of nothing that one may be writing', async () => {
    const { pid: dead } = spawnSync('true');
    const old = new Date(Date.now() - 61_000);
    const leave = async (name: string, at = old) => {
      await writeFile(join(folder, name), SECRET, { mode: 0o600 });
      await utimes(join(folder, name), at, at);
    };
    await render('a');
    await leave(`.output.${dead}.tmp`);
    await leave(`.output.bak.${dead}-0123abcd.tmp`);
    await leave(`.output.${process.pid}-0123abcd.tmp`);
    // Of a process that runs, of one in another container perhaps, of other files, and of nothing.
    await leave(`.output.${process.ppid}-0123abcd.tmp`);
    await leave(`.output.${dead}-89ef0123.tmp`, new Date());
    await leave(`.another.${dead}.tmp`);
    await leave(`.output.${dead}.tmp2`);
    await symlink(template, join(folder, `.output.0${dead}.tmp`));
    expect(await render('a')).toEqual(done);
    expect((await readdir(folder)).toSorted()).toEqual(
      [
        `.another.${dead}.tmp`,
        `.output.0${dead}.tmp`,
        `.output.${dead}-89ef0123.tmp`,
        `.output.${process.ppid}-0123abcd.tmp`,
        `.output.${dead}.tmp2`,
        'output',
        'template',
      ].toSorted(),
    );
  });

  test('takes the place of no link', async () => {
    const target = join(folder, 'target');
    await writeFile(target, 'before');
    await symlink(target, output);
    const outcome = await render('a');
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining('no regular file') });
    expect(await readFile(target, 'utf8')).toBe('before');
  });

  test('is not written where its backup would take the place of a link', async () => {
    await render('one');
    await symlink(template, `${output}.bak`);
    const outcome = await render('two', '--backup');
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining('.bak is there') });
    expect(await written()).toBe('one');
    expect(await readFile(template, 'utf8')).toBe('two');
  });

  const why = process.getuid?.() === 0 ? undefined : 'only root gives files away';
  const testAsRoot = why === undefined ? test : test.skip;
  testAsRoot(titleOrLeftOut('belongs to --owner and --group', why), async () => {
    await render('a', '--owner', '1234', '--group', '2345');
    const { uid, gid } = await stat(output);
    expect({ uid, gid }).toEqual({ uid: 1234, gid: 2345 });
    await chown(output, 0, 0);
    await render('a', '--owner', '1234');
    expect((await stat(output)).uid).toBe(1234);
  });
});

describe('[SG-20] the command after render', () => {
  const runs = async () => (await readFile(join(folder, 'runs'), 'utf8')).length;
  const counting = (script: string) => [
    '--',
    'sh',
    '-c',
    `printf x >> "$0"; ${script}`,
    join(folder, 'runs'),
  ];

  test('is run again when it fails, until it succeeds', async () => {
    expect(await render('a', ...counting('test "$(cat "$0")" = xx'))).toEqual(done);
    expect(await runs()).toBe(2);
  });

  test('that fails three times is a failure, and the file is there', async () => {
    const { code, stderr } = await render('a', ...counting('exit 9'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/failed 3 times: it ended with exit code 9 — mend the command/);
    expect(await runs()).toBe(3);
    expect(await written()).toBe('a');
  });

  test.each(['0.05', '0.0504'])('is killed after a --command-timeout of %s', async (seconds) => {
    const { code, stderr } = await render(
      'a',
      ...['--command-timeout', seconds],
      ...['--', 'tail', '-f', '/dev/null'],
    );
    expect(code).toBe(1);
    expect(stderr).toContain('had not ended after 0.05 s');
  });

  test.each([
    ['is not there', () => 'no-such-canary', 'the command is not there'],
    ['is empty', () => '', 'the command is not there'],
    ['is below a file', () => `${template}/canary`, 'the command cannot be run (ENOTDIR)'],
    ['may not be run', () => template, 'the command cannot be run (EACCES)'],
  ])('that %s fails three times, too, and is not repeated', async (_, command, message) => {
    const { code, stderr } = await render('a', '--', command());
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining(`failed 3 times: ${message} — mend`),
    });
    expect(stderr).not.toMatch(/canary|template/);
  });
});
