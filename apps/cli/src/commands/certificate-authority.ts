import {
  certificateAuthority,
  certificateAuthorityList,
  uuid,
  type CertificateAuthority,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { fields, table } from '../output.ts';
import { checked } from '../usage.ts';

const ID = ['<id>', 'as `ca list` shows it'] as const;

/** `ca list`, `prepare`, `activate`, `retire` and `delete`. */
export function addCertificateAuthorityCommands(program: Command, context: Context): void {
  const authorities = program
    .command('ca')
    .description('The control plane’s own CA, and its rotation');

  authorities
    .command('list')
    .description('List the CAs, and how many agents have certificates of each')
    .action(async () => {
      using api = await openApi(context);
      const { items } = await api.get(route`/certificate-authorities`, certificateAuthorityList);
      const headings = ['ID', 'STATE', 'AGENT CERTIFICATES', 'EXPIRES', 'FINGERPRINT'];
      const rows = items.map((item) => [
        item.id,
        item.state,
        String(item.agentCertificates),
        item.expiresAt,
        item.fingerprint,
      ]);
      context.output.list(items, table(headings, rows, 'There are no CAs.'));
    });

  authorities
    .command('prepare')
    .description(
      'Make the CA that is to follow; agents learn to trust it, and it issues nothing yet',
    )
    .action(async () => {
      using api = await openApi(context);
      show(
        context,
        await api.post(route`/certificate-authorities`, undefined, certificateAuthority),
      );
    });

  for (const [verb, description] of [
    ['activate', 'Let a prepared CA issue; with a superseded one, go back to it'],
    ['retire', 'End the trust in a superseded CA and destroy its key'],
  ] as const)
    authorities
      .command(verb)
      .description(description)
      .argument(...ID)
      .action(async (given: unknown) => {
        const path = route`/certificate-authorities/${checked(uuid, given, '<id>')}/${verb}`;
        using api = await openApi(context);
        show(context, await api.post(path, undefined, certificateAuthority));
      });

  authorities
    .command('delete')
    .description('Give up a CA that is prepared')
    .argument(...ID)
    .action(async (given: unknown) => {
      const id = checked(uuid, given, '<id>');
      using api = await openApi(context);
      await api.delete(route`/certificate-authorities/${id}`);
      context.output.result({ id, deleted: true }, `Deleted the CA ${id}.`);
    });
}

function show({ output }: Context, found: CertificateAuthority): void {
  const { id, state, fingerprint, agentCertificates, expiresAt } = found;
  output.result(
    found,
    fields([
      ['CA', id],
      ['State', state],
      ['Fingerprint', fingerprint],
      ['Agent certificates', String(agentCertificates)],
      ['Expires', expiresAt],
    ]),
  );
}
