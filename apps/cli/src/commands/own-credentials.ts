import {
  changePasswordBody,
  createTotpBody,
  createdTotp,
  newPassword,
  removeTotpBody,
  totpCode,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { fields } from '../output.ts';
import { promptHidden } from '../prompt.ts';
import { readPassword } from '../read-input.ts';
import { checked } from '../usage.ts';

const passwordOptions = z.object({
  currentFile: z.string().optional(),
  newFile: z.string().optional(),
});
const codeOption = z.object({ codeFile: z.string().optional() });
const enableOptions = z.object({ passwordFile: z.string().optional() });
const removeOptions = codeOption.extend({ passwordFile: z.string().optional() });

/** `password`, and `totp enable`, `confirm` and `disable`. */
export function addOwnCredentialsCommands(program: Command, context: Context): void {
  addPasswordCommand(program, context);
  const totp = program.command('totp').description('Your second factor, an authenticator app');
  addTotpEnabling(totp, context);
  addTotpDisabling(totp, context);
}

function addPasswordCommand(program: Command, context: Context): void {
  program
    .command('password')
    .description('Change your password; your other sessions end')
    .option('--current-file <file>', 'read the present password from a file, or from input (-)')
    .option('--new-file <file>', 'read the new password from a file, or from input (-)')
    .action(async (options: unknown) => {
      const { currentFile, newFile } = checked(passwordOptions, options);
      using api = await openApi(context);
      const typed = await ask(context, 'Present password: ', '--current-file', currentFile);
      const current = checked(changePasswordBody.shape.current, typed, 'the present password');
      const passwords = {
        current,
        new: await askForNewPassword(context, 'New password: ', '--new-file', newFile),
      };
      const body = checked(changePasswordBody, passwords, 'the new password');
      await api.postNothing(route`/me/password`, body);
      context.output.result(
        { passwordChanged: true },
        'Your password is changed, and your other sessions have ended.',
      );
    });
}

function addTotpEnabling(totp: Command, context: Context): void {
  totp
    .command('enable')
    .description('Make a secret for an authenticator app; it counts once it is confirmed')
    .option('--password-file <file>', 'read your password from a file, or from standard input (-)')
    .action(async (options: unknown) => {
      const { passwordFile } = checked(enableOptions, options);
      using api = await openApi(context);
      const password = await ask(context, 'Your password: ', '--password-file', passwordFile);
      const shown = { password: checked(createTotpBody.shape.password, password, 'the password') };
      const made = await api.post(route`/me/totp`, shown, createdTotp);
      const rows = [
        ['Secret', made.secret],
        ['URI', made.uri],
      ] as const;
      const next = 'Add it to an authenticator app, then run: sallyport totp confirm';
      context.output.result(made, `${fields(rows)}\n${next}`);
    });

  totp
    .command('confirm')
    .description('Confirm it with the code that the app shows; your other sessions end')
    .option('--code-file <file>', 'read the code from a file, or from standard input (-)')
    .action(async (options: unknown) => {
      const { codeFile } = checked(codeOption, options);
      using api = await openApi(context);
      const code = await askForCode(context, codeFile);
      await api.postNothing(route`/me/totp/confirm`, { code });
      context.output.result({ totp: true }, 'Signing in asks for a code of the app from now on.');
    });
}

function addTotpDisabling(totp: Command, context: Context): void {
  totp
    .command('disable')
    .description('Sign in without a code again')
    .option('--password-file <file>', 'read your password from a file, or from standard input (-)')
    .option('--code-file <file>', 'read the code from a file, or from standard input (-)')
    .action(async (options: unknown) => {
      const { passwordFile, codeFile } = checked(removeOptions, options);
      using api = await openApi(context);
      const password = await ask(context, 'Your password: ', '--password-file', passwordFile);
      const shown = {
        password: checked(removeTotpBody.shape.password, password, 'the password'),
        code: await askForCode(context, codeFile),
      };
      await api.delete(route`/me/totp`, shown);
      context.output.result({ totp: false }, 'Signing in asks for no code any more.');
    });
}

/** The code that an authenticator app shows, from a file or from who sits at the terminal. */
export async function askForCode(context: Context, file: string | undefined): Promise<string> {
  const code = await ask(context, 'Code of your authenticator app: ', '--code-file', file);
  return checked(totpCode, code.replaceAll(' ', ''), 'the code');
}

/** A new password. At a terminal, where it is not shown, it is typed twice: a slip would lock its owner out. */
export async function askForNewPassword(
  context: Context,
  question: string,
  option: string,
  file: string | undefined,
): Promise<string> {
  const typed = await ask(context, question, option, file);
  const chosen = checked(newPassword, typed, 'the new password');
  if (file !== undefined) return chosen;
  if ((await promptHidden(context.terminal, 'The same again: ')) === chosen) return chosen;
  throw new CliError('usage.invalid', 'the two new passwords differ; nothing is changed');
}

async function ask(
  { terminal }: Context,
  question: string,
  option: string,
  file: string | undefined,
): Promise<string> {
  if (file !== undefined) return readPassword(terminal, { option, path: file });
  if (terminal.stdinIsTty) return promptHidden(terminal, question);
  throw new CliError('usage.invalid', `nobody is there to ask: give ${option}`);
}
