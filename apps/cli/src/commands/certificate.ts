import {
  certificate,
  counted,
  groupName,
  offlinePolicy,
  printable,
  resourceName,
  type CertificateMetadata,
  type PutCertificateBody,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { fields, table, type Field } from '../output.ts';
import { readPassword, readPem, readPkcs12 } from '../read-input.ts';
import type { Terminal } from '../terminal.ts';
import { checked, wholeNumber } from '../usage.ts';

const groupOption = z.object({ group: groupName });
const listOptions = groupOption.extend({ expiresWithinDays: wholeNumber.optional() });
const setOptions = groupOption
  .extend({
    chain: z.string().optional(),
    key: z.string().optional(),
    pkcs12: z.string().optional(),
    passwordFile: z.string().optional(),
    offline: offlinePolicy.optional(),
  })
  .transform(({ group, offline, ...files }, context) => {
    const { chain, key, pkcs12, passwordFile } = files;
    const given = Object.values(files).filter((file) => file !== undefined).length;
    if (given === 2 && chain !== undefined && key !== undefined)
      return { group, offline, form: 'pem' as const, chain, key };
    if (given === 2 && pkcs12 !== undefined && passwordFile !== undefined)
      return { group, offline, form: 'pkcs12' as const, pkcs12, passwordFile };
    context.addIssue({
      code: 'custom',
      path: ['chain'],
      message: 'give --chain and --key, or --pkcs12 and --password-file',
    });
    return z.NEVER;
  });
type SetOptions = z.output<typeof setOptions>;

/** `certificate set`, `certificate list`, `certificate show` and `certificate delete`. */
export function addCertificateCommands(program: Command, context: Context): void {
  const certificates = program
    .command('certificate')
    .description('Certificates of a group, with their chains and keys');
  addSet(certificates, context);
  addList(certificates, context);
  addShow(certificates, context);
  addDelete(certificates, context);
}

function addSet(certificates: Command, context: Context): void {
  certificates
    .command('set')
    .description('Upload a certificate: make it, or replace it')
    .argument('<name>', 'such as web/shop')
    .requiredOption('--group <group>', 'group')
    .option('--chain <file>', 'PEM file of the certificate and its intermediates')
    .option('--key <file>', 'PEM file of the private key, not encrypted')
    .option('--pkcs12 <file>', 'PKCS#12 file of all three, in place of --chain and --key')
    .option('--password-file <file>', 'file that holds the password of --pkcs12')
    .option(
      '--offline <policy>',
      'whether agents may keep it on disk: allow or deny; stays as it is when not given',
    )
    .action(async (given: unknown, options: unknown) => {
      const wanted = checked(setOptions, options);
      const name = checked(resourceName, given, '<name>');
      using api = await openApi(context);
      const body = await readBody(context.terminal, wanted);
      const path = route`/groups/${wanted.group}/certificates/${name}`;
      const written = await api.put(path, body, certificate);
      context.output.result(
        written,
        `${written.name} is at version ${written.version}, for ${printable(namesOf(written))}, until ${written.notAfter} (offline: ${written.offline}).`,
      );
    });
}

async function readBody(terminal: Terminal, wanted: SetOptions): Promise<PutCertificateBody> {
  const { offline } = wanted;
  const files =
    wanted.form === 'pem'
      ? {
          chain: await readPem(terminal, { option: '--chain', path: wanted.chain }),
          key: await readPem(terminal, { option: '--key', path: wanted.key }),
        }
      : {
          pkcs12: (
            await readPkcs12(terminal, { option: '--pkcs12', path: wanted.pkcs12 })
          ).toString('base64'),
          password: await readPassword(terminal, {
            option: '--password-file',
            path: wanted.passwordFile,
          }),
        };
  return offline === undefined ? files : { ...files, offline };
}

function addList(certificates: Command, context: Context): void {
  certificates
    .command('list')
    .description('List the certificates of a group')
    .requiredOption('--group <group>', 'group')
    .option('--expires-within-days <number>', 'only those that expire within so many days')
    .action(async (options: unknown) => {
      const { group, expiresWithinDays } = checked(listOptions, options);
      using api = await openApi(context);
      const filter =
        expiresWithinDays === undefined ? {} : { expiresWithinDays: String(expiresWithinDays) };
      const items = await api.list(route`/groups/${group}/certificates`, certificate, filter);
      const rows = items.map((item) => [
        item.name,
        String(item.version),
        item.notAfter,
        item.offline,
        namesOf(item),
      ]);
      const none =
        expiresWithinDays === undefined
          ? `${group} has no certificates.`
          : `${group} has no certificates that expire within ${counted(expiresWithinDays, 'day')}.`;
      const headings = ['NAME', 'VERSION', 'EXPIRES', 'OFFLINE', 'FOR'];
      context.output.list(items, table(headings, rows, none));
    });
}

function addShow(certificates: Command, context: Context): void {
  certificates
    .command('show')
    .description('Show what a certificate says of itself; its chain and key stay where they are')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const name = checked(resourceName, given, '<name>');
      using api = await openApi(context);
      const found = await api.get(route`/groups/${group}/certificates/${name}`, certificate);
      context.output.result(found, fields(fieldsOf(found)));
    });
}

function addDelete(certificates: Command, context: Context): void {
  certificates
    .command('delete')
    .description('Delete a certificate, with its chain and key')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const name = checked(resourceName, given, '<name>');
      using api = await openApi(context);
      await api.delete(route`/groups/${group}/certificates/${name}`);
      context.output.result({ name, deleted: true }, `Deleted ${name}.`);
    });
}

function fieldsOf(found: CertificateMetadata): Field[] {
  return [
    ['Name', found.name],
    ['Version', String(found.version)],
    ['For', namesOf(found)],
    ['Subject', found.subject],
    ['Issuer', found.issuer],
    ['Serial number', found.serialNumber],
    ['Valid from', found.notBefore],
    ['Valid until', found.notAfter],
    ['Key', found.keyAlgorithm],
    ['Fingerprint', found.fingerprint],
    ['Offline', found.offline],
  ];
}

function namesOf({ dnsNames, ipAddresses, uris }: CertificateMetadata): string {
  return [...dnsNames, ...ipAddresses, ...uris].join(', ');
}
