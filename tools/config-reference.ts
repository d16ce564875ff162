import { readFile, writeFile } from 'node:fs/promises';
import { configReference } from '@sallyport/config/reference';
import { agentConfig } from '../apps/agent/src/config.ts';
import { variables } from '../apps/cli/src/environment.ts';
import { cliSettings } from '../apps/cli/src/tls-settings.ts';
import { serverConfig } from '../apps/control-plane/src/platform/config.ts';

/** Writes docs/configuration.md from the schemas; `--check` fails when it is not up to date. */
const path = new URL('../docs/configuration.md', import.meta.url);
const ofCli = Object.entries(variables.shape).map(
  ([name, { description }]) => `| \`${name}\` | ${description} |`,
);
const page = `# Configuration

Made from the schemas by \`node tools/config-reference.ts\`: change them, not this page.

Values are read from defaults, then the YAML file of \`--config\`, then the environment; the later wins. A secret can be
given as \`<VARIABLE>_FILE\`, the path of a file that holds it. In the file, \`\${NAME}\` stands for an environment variable.
Every problem is reported at once, and the program exits with 2. \`sallyport\` has no file: it reads the environment alone.

${configReference(serverConfig, { programName: 'sallyport-server' })}
${configReference(agentConfig, { programName: 'sallyport-agent' })}
${configReference(cliSettings, { programName: 'sallyport' })}
## Other variables of sallyport

| variable | what it is |
| --- | --- |
${ofCli.join('\n')}
`;

if (!process.argv.includes('--check')) await writeFile(path, page);
else if ((await readFile(path, 'utf8').catch(() => '')) !== page) {
  process.stdout.write(
    'docs/configuration.md is not up to date; run: node tools/config-reference.ts\n',
  );
  process.exitCode = 1;
}
