import { listedSession, uuid } from '@sallyport/contract';
import type { Command } from 'commander';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { checked } from '../usage.ts';

/** `sessions list`, `sessions end` and `sessions end-all`. */
export function addOwnSessionsCommands(program: Command, context: Context): void {
  const sessions = program.command('sessions').description('Where you are signed in');

  sessions
    .command('list')
    .description('List your sessions')
    .action(async () => {
      using api = await openApi(context);
      const items = await api.list(route`/sessions`, listedSession);
      const rows = items.map((item) => [
        item.id,
        item.address,
        item.createdAt,
        item.lastUsedAt,
        item.current ? 'this one' : '',
      ]);
      const headings = ['ID', 'FROM', 'SIGNED IN', 'LAST USED', ''];
      context.output.list(items, table(headings, rows, 'There are no sessions.'));
    });

  sessions
    .command('end')
    .description('End one of your sessions')
    .argument('<id>')
    .action(async (given: unknown) => {
      const id = checked(uuid, given, '<id>');
      using api = await openApi(context);
      await api.delete(route`/sessions/${id}`);
      context.output.result({ id, ended: true }, `Ended the session ${id}.`);
    });

  sessions
    .command('end-all')
    .description('Sign out everywhere, here too')
    .action(async () => {
      using api = await openApi(context);
      await api.delete(route`/sessions`);
      await context.sessions.remove();
      context.output.result({ signedOut: true }, 'Every session of yours has ended.');
    });
}
