import {
  leaseChange,
  leasePatch,
  leasePolicy,
  leaseWindow,
  weekday,
  type LeaseChange,
  type LeasePatch,
  type LeaseWindow,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { CliError } from '../cli-error.ts';
import { durationWithin } from '../duration.ts';
import { checked, wholeNumber } from '../usage.ts';

const policy = leasePolicy.shape;
const leaseTyped = z.object({ lease: leaseChange });
const patchTyped = z.object({ lease: leasePatch });

/** Of `secret set` and `secret update`. */
export const leaseOptions = {
  // False of --no-lease.
  lease: z.literal(false).or(durationWithin(policy.ttlSeconds)).optional(),
  leaseMax: durationWithin(policy.maxTtlSeconds).optional(),
  leaseUses: z
    .union([z.literal('any').transform(() => null), wholeNumber], 'use a whole number, or any')
    .optional(),
  leaseWindow: z.array(z.string()).optional(),
};
type LeaseOptions = z.output<z.ZodObject<typeof leaseOptions>>;

const WINDOW = /^([a-z,-]+) (\d\d:\d\d)-(\d\d:\d\d)(?: (\S+))?$/;

/** Adds the options that say how a secret is lent out; `when` is what each of the rest of them asks for. */
export function addLeaseOptions(command: Command, when = ''): Command {
  const collect = (value: string, all: string[] = []) => [...all, value];
  refuseBoth(command);
  return command
    .option('--lease <duration>', 'lend it out, for so long at a time, such as 15m')
    .option('--no-lease', 'lend it out no more: deliver it with the rest')
    .option('--lease-max <duration>', `${when}how long a lease may last when it is renewed`)
    .option(
      '--lease-uses <number>',
      `${when}how often the value of one lease can be read, such as 1, or any`,
    )
    .option(
      '--lease-window <window>',
      `${when}lend it out within these hours only, "mon-fri 08:00-18:00 Europe/Berlin", which may be repeated; or always`,
      collect,
    );
}

/** The parser keeps one of the two, the later. */
function refuseBoth(command: Command): void {
  const given = new Set<string>();
  for (const name of ['lease', 'no-lease'])
    command.on(`option:${name}`, () => {
      if (given.add(name).size === 2)
        throw new CliError('usage.invalid', 'give --lease or --no-lease, not both');
    });
}

/** What the options say of lending out; nothing where they do not say anything. @throws CliError `usage.invalid` */
export function leaseIn(options: LeaseOptions): { lease?: LeaseChange | null } {
  const { lease } = leasePatchIn(options);
  if (!lease) return lease === null ? { lease } : {};
  if (lease.ttlSeconds === undefined)
    throw new CliError('usage.invalid', 'say with --lease how long a lease lasts');
  return checked(leaseTyped, { lease });
}

/** The same of a secret that may be lent out already, for how long then need not be said. */
export function leasePatchIn(options: LeaseOptions): { lease?: LeasePatch | null } {
  const { lease: ttlSeconds, leaseMax, leaseUses, leaseWindow: windows } = options;
  const lease = {
    ...(typeof ttlSeconds === 'number' ? { ttlSeconds } : {}),
    ...(leaseMax === undefined ? {} : { maxTtlSeconds: leaseMax }),
    ...(leaseUses === undefined ? {} : { maxUses: leaseUses }),
    ...(windows === undefined ? {} : { windows: windowsIn(windows) }),
  };
  const isChanged = Object.keys(lease).length > 0;
  if (ttlSeconds !== false) return isChanged ? checked(patchTyped, { lease }) : {};
  if (isChanged)
    throw new CliError('usage.invalid', 'give --no-lease alone, or the rest with --lease');
  return { lease: null };
}

function windowsIn(texts: string[]): LeaseWindow[] {
  return texts.length === 1 && texts[0] === 'always' ? [] : texts.map(windowIn);
}

/** @throws CliError `usage.invalid` */
function windowIn(text: string): LeaseWindow {
  const [, days, from, until, timeZone = 'UTC'] = WINDOW.exec(text) ?? [];
  if (days === undefined)
    throw new CliError(
      'usage.invalid',
      '--lease-window: use days, hours and a time zone, such as "mon-fri 08:00-18:00 Europe/Berlin"',
    );
  const named = days.split(',').flatMap(daysIn);
  return checked(leaseWindow, { days: named, from, until, timeZone }, '--lease-window');
}

/** The days of `mon-fri`, or of `sat`. */
function daysIn(range: string): string[] {
  const [first = '', last = first] = range.split('-');
  const all: string[] = [...weekday.options];
  const [start, end] = [all.indexOf(first), all.indexOf(last)];
  // What is no day stays, and is refused as one.
  if (start < 0 || end < 0) return [range];
  return start <= end ? all.slice(start, end + 1) : [...all.slice(start), ...all.slice(0, end + 1)];
}
