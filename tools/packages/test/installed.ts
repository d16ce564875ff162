import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { ControlPlaneDouble } from '../../../apps/agent/test/control-plane-double.ts';
import { until } from '../../../apps/agent/test/harness.ts';
import { root } from '../one-file.ts';
import { Machine, whyNoMachine } from './machine.ts';

const page = readFileSync(join(root, 'docs/packages.md'), 'utf8');
const why = whyNoMachine();
const describeOnMachine = why === undefined ? describe : describe.skip;
const config = ['--config', '/etc/sallyport/agent.yaml'];
const status = ['sallyport-agent', 'status', ...config];

/** As little of it as the page needs; a machine of a test may have none. */
const SUDO = `#!/bin/sh
if [ "$1" = -u ]; then user=$2; shift 2; exec runuser -u "$user" -- "$@"; fi
exec "$@"
`;

let double: ControlPlaneDouble;
let machine: Machine;

/** The command of the page that starts so, as it would be typed there. */
function shown(start: string): string {
  const line = page.split('\n').find((each) => each.startsWith(start));
  if (line === undefined) throw new Error(`the page shows no ${start}`);
  return line
    .replace(/(\.\/)?dist\//, '/packages/')
    .replace('0.1.0_amd64', `0.1.0_${process.arch === 'x64' ? 'amd64' : process.arch}`)
    .replace('https://control-plane.example:9443', double.url)
    .replace('SHA256:…', double.fingerprint);
}

const type = (start: string, input = '') => machine.doneWith(input, 'sh', '-c', shown(start));
const write = (path: string, mode: string, text: string) =>
  machine.doneWith(text, 'sh', '-c', `cat >"$0" && chmod ${mode} "$0"`, path);
const mainPid = async () =>
  Number(
    await machine.done('systemctl', 'show', '--property=MainPID', '--value', 'sallyport-agent'),
  );
/** Like everything that programs get, it comes a moment after the start. */
const untilServed = (value: string) =>
  until(async () => {
    const get = ['sallyport-agent', 'get', ...config, 'db/password'];
    return (await machine.run(...get)).stdout.trim() === value;
  });
const openings = () => double.requestsTo('/agent/v1/session').map(({ body }) => JSON.parse(body));

/** What the page promises of the package that is in this folder once `beforeAll` has run. */
export function describeInstalled(packages: () => string): void {
  describeOnMachine(
    titleOrLeftOut('[SG-36] the Debian package on a machine with systemd', why),
    () => {
      beforeAll(async () => {
        double = await ControlPlaneDouble.start();
        double.putSecret('db/password', 'correct horse');
        machine = await Machine.start(packages());
        await write('/usr/local/bin/sudo', '755', SUDO);
        await type('sudo apt-get install');
      });
      afterAll(async () => {
        await machine[Symbol.asyncDispose]();
        await double.stop();
      });

      test('is installed with a user and an empty state of its own, and starts nothing before there is an identity', async () => {
        const state = await machine.done('stat', '--format=%U %G %a', '/var/lib/sallyport-agent');
        expect(state).toBe('sallyport-agent sallyport-agent 700\n');
        expect(await machine.done('ls', '/var/lib/sallyport-agent')).toBe('');
        const enabled = await machine.done('systemctl', 'is-enabled', 'sallyport-agent');
        expect(enabled).toBe('enabled\n');
        await type('sudo systemctl start');
        expect((await machine.run('systemctl', 'is-active', 'sallyport-agent')).stdout).toBe(
          'inactive\n',
        );
      });

      test('serves once it has been enrolled, as the page shows', async () => {
        await type('sudo -u sallyport-agent sallyport-agent enroll', double.mintToken());
        await type('sudo systemctl start');
        await untilServed('correct horse');
        expect(await type('sudo sallyport-agent get')).toMatch(/^correct horse\n?$/);
        expect(await type('sudo sallyport-agent status')).toContain('ready');
      });

      test('keeps another user of the host out', async () => {
        const get = ['sallyport-agent', 'get', ...config, 'db/password'];
        const { code, stdout } = await machine.run('runuser', '-u', 'nobody', '--', ...get);
        expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
      });

      test('[SG-07] needs at most 70 MiB of memory of its own when idle', async () => {
        const rollup = await machine.done('cat', `/proc/${await mainPid()}/status`);
        const anonymous = Number(/^RssAnon:\s+(\d+) kB$/m.exec(rollup)?.[1]) / 1024;
        expect(anonymous).toBeGreaterThan(1);
        expect(anonymous).toBeLessThan(70);
      });

      test('[SG-36] systemd takes the unit without a complaint, and judges its exposure at 1.5 of 10 or less', async () => {
        const unit = '/lib/systemd/system/sallyport-agent.service';
        const { code, stderr } = await machine.run('systemd-analyze', 'verify', unit);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        const judge = ['systemd-analyze', 'security', '--no-pager', '--offline=true'];
        await machine.done(...judge, '--threshold=15', unit);
        expect((await machine.run(...judge, '--threshold=5', unit)).code).not.toBe(0);
      });

      describe('the service', () => {
        /** As the service sees the machine, but with every right of root. */
        const inside = async (...command: string[]) =>
          machine.run('nsenter', `--target=${await mainPid()}`, '--mount', ...command);

        test('has no capability, gains none, is filtered by seccomp, and leaves no core dump, and locks its keys', async () => {
          const pid = await mainPid();
          const about = await machine.done('cat', `/proc/${pid}/status`);
          expect(about).toMatch(/^CapBnd:\s+0+$/m);
          expect(about).toMatch(/^CapEff:\s+0+$/m);
          expect(about).toMatch(/^NoNewPrivs:\s+1$/m);
          expect(about).toMatch(/^Seccomp:\s+2$/m);
          expect(await machine.done('cat', `/proc/${pid}/limits`)).toMatch(
            /^Max core file size\s+0\s+0/m,
          );
          expect(await machine.done(...status)).toMatch(
            /^memory +keys are locked; no core dumps$/m,
          );
        });

        test('starts no other program', async () => {
          const built = (script: string) =>
            inside('/usr/bin/sallyport-agent', ...script.split(' '));
          expect((await built('--version')).code).toBe(0);
          const { code, stderr } = await inside('/bin/true');
          expect({ code, stderr }).toEqual({ code: 126, stderr: expect.stringMatching(/denied/) });
        });

        test('can write its state and its sockets, and nothing else', async () => {
          const root = `/proc/${await mainPid()}/root`;
          const write = (folder: string) => machine.run('touch', `${root}${folder}/written`);
          const own = ['/run/sallyport', '/tmp', '/var/lib/sallyport-agent', '/var/tmp'];
          for (const folder of own) expect(await write(folder)).toMatchObject({ code: 0 });
          for (const folder of [
            '/',
            '/etc',
            '/run',
            '/run/lock',
            '/usr/bin',
            '/usr/lib',
            '/var/lib',
          ]) {
            const { code, stderr } = await write(folder);
            expect({ folder, code, stderr }).toEqual({
              folder,
              code: 1,
              stderr: expect.stringMatching(/Read-only file system/),
            });
          }
          await machine.done('rm', '/run/sallyport/written', '/var/lib/sallyport-agent/written');
        });
      });

      test('gives a socket to a program’s group, once the agent is in that group', async () => {
        const socket = '/run/sallyport/shop.sock';
        const further = `localApi:\n  sockets:\n    - { path: ${socket}, mode: '0660', group: www-data, allow: { secrets: ['*'] } }\n`;
        const given = await machine.done('cat', '/etc/sallyport/agent.yaml');
        await write('/etc/sallyport/agent.yaml', '644', given + further);
        await type('sudo adduser');
        await type('sudo systemctl restart');
        await untilServed('correct horse');
        const get = ['sallyport-agent', 'get', '--socket', socket, 'db/password'];
        const asShop = await machine.run('runuser', '-u', 'www-data', '--', ...get);
        expect(asShop).toMatchObject({
          code: 0,
          stdout: expect.stringMatching(/^correct horse\n?$/),
        });
        expect((await machine.run('runuser', '-u', 'nobody', '--', ...get)).code).toBe(4);
      });

      describe('[SG-44] an agent token that systemd hands over (LoadCredential)', () => {
        let token: string;
        const dropIn = '/etc/systemd/system/sallyport-agent.service.d/agent-token.conf';
        beforeAll(async () => {
          const identity = await machine.done('cat', '/var/lib/sallyport-agent/identity.json');
          token = double.authority.mintAgentToken(JSON.parse(identity).agentId);
        });
        const useCredential = async () => {
          await type('sudo mkdir -p /etc/systemd');
          await type('sudo cp /usr/share/doc');
          await type('sudo systemctl daemon-reload');
          await type('sudo systemctl restart');
        };

        test('opens the sessions, and [AT-12] is in no file that the agent keeps', async () => {
          await write('/etc/sallyport/agent-token', '400', token);
          await useCredential();
          await until(() => openings().at(-1).token === token);
          await untilServed('correct horse');
          const found = await machine.run(
            'grep',
            '-rl',
            token,
            '/var/lib/sallyport-agent',
            '/run/sallyport',
          );
          expect(found).toMatchObject({ code: 1, stdout: '' });
        });

        test('is refused where it is a file that everybody may read, or of another user', async () => {
          const file = '/var/lib/sallyport-agent-token';
          await write(dropIn, '644', `[Service]\nEnvironment=SALLYPORT_AGENT_TOKEN_FILE=${file}\n`);
          await write(file, '444', token);
          await machine.done('systemctl', 'daemon-reload');
          await machine.done('systemctl', 'restart', 'sallyport-agent');
          const refused = async () =>
            (await machine.run(...status)).stdout.includes('token_file.unsafe');
          await until(refused);
          await machine.done('chmod', '440', file);
          await machine.done('chown', 'nobody:sallyport-agent', file);
          const says = /token_file\.unsafe.*belongs to user/;
          await until(async () => says.test((await machine.run(...status)).stdout));
          expect(openings().at(-1).token).toBe(token);
          await machine.done('rm', dropIn);
        });
      });

      test('a newer package keeps the identity, the settings and the state, and restarts the service', async () => {
        const before = await mainPid();
        await machine.done('systemctl', 'daemon-reload');
        await machine.done('dpkg', '--install', '--force-confold', ...(await debs()));
        expect(await mainPid()).not.toBe(before);
        await untilServed('correct horse');
        expect(await machine.done('cat', '/etc/sallyport/agent.yaml')).toContain('shop.sock');
      });

      test('a package that comes back after a removal serves again', async () => {
        await type('sudo dpkg --remove');
        await machine.done('dpkg', '--install', '--force-confold', ...(await debs()));
        await untilServed('correct horse');
      });

      test('a removal stops it and keeps its identity and settings; a purge removes all, the user and the token too', async () => {
        await type('sudo dpkg --remove');
        expect((await machine.run('systemctl', 'is-active', 'sallyport-agent')).stdout).not.toBe(
          'active\n',
        );
        expect((await machine.run('sallyport-agent', '--version')).code).toBe(127);
        expect(await machine.done('ls', '/var/lib/sallyport-agent')).toContain('identity.json');
        expect(await machine.done('cat', '/etc/sallyport/agent.yaml')).toContain('shop.sock');
        await type('sudo dpkg --purge');
        expect((await machine.run('ls', '/var/lib/sallyport-agent', '/etc/sallyport')).stdout).toBe(
          '',
        );
        expect((await machine.run('id', 'sallyport-agent')).code).toBe(1);
      });

      test('[SG-08] the executable alone is installed by one command', async () => {
        await type('sudo install dist/');
        expect(await type('sallyport-agent --version')).toMatch(/^\d+\.\d+\.\d+\n$/);
        const completed = `${shown('source <(')} && complete -p sallyport-agent`;
        expect(await machine.done('bash', '-c', completed)).toContain('-F _sallyport_agent');
      });
    },
  );
}

const debs = async () => (await machine.done('sh', '-c', 'ls /packages/*.deb')).trim().split('\n');
