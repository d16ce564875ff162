import {
  auditCheckpoint,
  auditEntry,
  auditQuery,
  auditVerification,
  auditVerifierKeys,
  counted,
  page,
  printable,
  type AuditEntry,
  type AuditEvent,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { broken, inWords, verifyExport } from '../audit/verify-export.ts';
import { CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { writeNewFile } from '../new-file.ts';
import { fields, table } from '../output.ts';
import { readNote } from '../read-input.ts';
import { checked, wholeNumber } from '../usage.ts';

const { actor, action, subject, group, outcome, code, since, until } = auditQuery.shape;
const listOptions = z.object({
  actor,
  action,
  subject,
  group,
  outcome,
  code,
  request: auditQuery.shape.requestId,
  since,
  until,
  before: wholeNumber.optional(),
  limit: wholeNumber.pipe(z.number().min(1).max(200)),
});
const exportOptions = z.object({
  file: z.string().min(1),
  from: wholeNumber.optional(),
  to: wholeNumber.optional(),
});
const verifyOptions = z.object({
  checkpoint: z.string().optional(),
  key: z.string().optional(),
  fromStart: z.boolean().default(false),
});

/** No line is to be longer than people can read for what an agent said. */
const LONGEST_DETAIL = 64;
/** What is told later than this, or by a clock that is wrong by more, is shown with its own time. */
const LATE_MS = 60_000;

/** `audit list`, `verify`, `checkpoint`, `key` and `export`. */
export function addAuditCommands(program: Command, context: Context): void {
  const audit = program.command('audit').description('What was done, by whom, and the proof of it');
  addReading(audit, context);
  addProving(audit, context);

  audit
    .command('verify')
    .description('Verify the audit of the control plane, or an export by itself, offline')
    .argument('[file]', 'an export; nothing is asked of the control plane then')
    .option('--checkpoint <file>', 'a signed head that the export has to reach and agree with')
    .option(
      '--key <file>',
      'the key that the checkpoint must be signed by, as `audit key` shows it',
    )
    .option('--from-start', 'the export has to begin with the first event that was ever recorded')
    .addHelpText('after', '\nExits with 6 when the audit is not what was recorded.')
    .action(async (file: unknown, options: unknown) => {
      const { checkpoint, key, fromStart } = checked(verifyOptions, options);
      if (file === undefined) {
        if (checkpoint !== undefined || key !== undefined || fromStart)
          throw new CliError(
            'usage.invalid',
            '--checkpoint, --key and --from-start go with an export',
          );
        await verifyThere(context);
        return;
      }
      const { terminal, output } = context;
      const verified = await verifyExport(checked(z.string().min(1), file, '[file]'), {
        fromStart,
        checkpoint:
          checkpoint === undefined
            ? undefined
            : await readNote(terminal, { option: '--checkpoint', path: checkpoint }),
        key:
          key === undefined ? undefined : await readNote(terminal, { option: '--key', path: key }),
      });
      const proof = verified.checkpoint === null ? 'none given' : `agrees, ${verified.checkpoint}`;
      output.result(verified, intact({ ...verified, checkpoints: proof }));
      if (verified.base > 0) output.progress(unverified(verified.base));
    });
}

async function verifyThere(context: Context): Promise<void> {
  using api = await openApi(context);
  const found = await api.getSlowly(route`/audit/verify`, auditVerification);
  if (found.break !== null) {
    const words: Record<string, string> = inWords;
    const { kind, position } = found.break;
    throw broken(position, words[kind] ?? 'the audit cannot be trusted from there on', kind);
  }
  const { base, size, hash, checkpoints } = found;
  context.output.result(found, intact({ base, size, hash, checkpoints: `${checkpoints} met` }));
}

function intact(found: { base: number; size: number; hash: string; checkpoints: string }): string {
  return fields([
    ['Intact', `positions ${found.base + 1} to ${found.size}`],
    ['Head', found.hash],
    ['Checkpoints', found.checkpoints],
  ]);
}

/** An export that goes on from a later position may have lost its beginning: nothing in it tells. */
function unverified(base: number): string {
  return `What came before position ${base + 1} is not in this export, and not verified; --from-start refuses one that does not begin at position 1.`;
}

function addReading(audit: Command, context: Context): void {
  audit
    .command('list')
    .description('List events, newest first')
    .option('--actor <who>', 'of this operator, API key or agent, by its name or id')
    .option('--action <action>', 'such as secret:reveal')
    .option('--subject <subject>', 'such as secret:db/password')
    .option('--group <group>', 'in this group, by its name or id, also a deleted one')
    .option('--outcome <outcome>', 'done or refused')
    .option('--code <code>', 'refused for this reason, such as permission.denied')
    .option('--request <id>', 'of this request id')
    .option('--since <instant>', 'at or after, such as 2030-01-31T00:00:00Z')
    .option('--until <instant>', 'before')
    .option('--before <position>', 'of earlier positions than this one')
    .option('--limit <number>', 'at most so many, up to 200', '50')
    .action(async (options: unknown) => {
      const { before, request, limit, ...filters } = checked(listOptions, options);
      const query = new URLSearchParams({ limit: String(limit) });
      const given = { ...filters, requestId: request, cursor: before };
      for (const [name, value] of Object.entries(given))
        if (value !== undefined) query.set(name, String(value));
      using api = await openApi(context);
      const path = `${route`/audit`}?${query.toString()}`;
      const { items, nextCursor } = await api.get(path, page(auditEntry));
      context.output.list(items, table(HEADINGS, items.map(rowOf), noneOf(filters)));
      if (nextCursor !== undefined)
        context.output.progress(
          printable(`Earlier events are not shown; for those, add --before ${nextCursor}.`),
        );
    });

  audit
    .command('export')
    .description('Write the chain to a file as JSON Lines, which verifies by itself')
    .requiredOption('--file <file>', 'a new file, of its owner alone')
    .option('--from <position>', 'the first position')
    .option('--to <position>', 'the last position')
    .action(async (options: unknown) => {
      const { file, from, to } = checked(exportOptions, options);
      const query = new URLSearchParams();
      if (from !== undefined) query.set('from', String(from));
      if (to !== undefined) query.set('to', String(to));
      using api = await openApi(context);
      const path = `${route`/audit/export`}?${query.toString()}`;
      const { bytes } = await writeNewFile(file, (into) => api.download(path, into));
      context.output.result({ file, bytes }, `Wrote ${file}.`);
    });
}

const HEADINGS = 'POSITION AT WHO FROM ACTION ON GROUP OUTCOME DETAILS'.split(' ');

function rowOf({ position, group, event }: AuditEntry): string[] {
  const { at, actor, address, action, subject, outcome } = event;
  return [
    String(position),
    at,
    // Nobody has a name.
    actor.kind === actor.name ? actor.name : `${actor.kind} ${actor.name}`,
    address,
    action,
    subject,
    group ?? '-',
    outcome,
    detailsOf(event),
  ];
}

function noneOf({ subject = ':' }: { subject?: string | undefined }): string {
  const form = subject.includes(':')
    ? ''
    : ' Most subjects are told with their kind, such as secret:db/password.';
  return `No event matches.${form}`;
}

/** Of its details what leads on: which version, by which program, why not, when. The rest is in the JSON. */
function detailsOf({ action, at, details }: AuditEvent): string {
  const said = (name: string, inWords: (text: string) => string) => {
    const value = details[name];
    return typeof value === 'string' || typeof value === 'number' ? [inWords(short(value))] : [];
  };
  const [user] = said('uid', (uid) => `user ${uid}`);
  const [process] = said('pid', (pid) => `pid ${pid}`);
  return [
    ...said('version', (version) => `version ${version}`),
    ...said('code', (code) => code),
    ...(details['locked'] === true ? ['name locked'] : []),
    ...said('count', (count) => howMany(action, count)),
    // Readings that are told as one event may be of several processes, but are of one user.
    [process, user].filter(Boolean).join(' of '),
    ...said('happenedAt', (then) =>
      Math.abs(Date.parse(then) - Date.parse(at)) > LATE_MS ? `happened ${then}` : '',
    ),
  ]
    .filter(Boolean)
    .join(', ');
}

function howMany(action: string, count: string): string {
  if (action === 'events:drop') return counted(Number(count), 'event');
  return count === '1' ? '' : `${count} times`;
}

function short(value: string | number): string {
  const text = String(value);
  return text.length > LONGEST_DETAIL ? `${text.slice(0, LONGEST_DETAIL)}…` : text;
}

function addProving(audit: Command, context: Context): void {
  audit
    .command('checkpoint')
    .description('Sign the head of the chain now, and print the checkpoint: keep it elsewhere')
    .action(async () => {
      using api = await openApi(context);
      const made = await api.post(route`/audit/checkpoints`, undefined, auditCheckpoint);
      // A note ends with a line end of its own.
      context.output.result(made, made.note.replace(/\n$/, ''));
    });

  audit
    .command('key')
    .description('Print the public key that checkpoints are verified with')
    .action(async () => {
      using api = await openApi(context);
      const { keys } = await api.get(route`/audit/verifier-key`, auditVerifierKeys);
      context.output.result({ keys }, keys.join('\n'));
    });
}
