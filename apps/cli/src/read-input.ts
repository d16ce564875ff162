import { createReadStream } from 'node:fs';
import { MAX_CHAIN_BYTES, MAX_SECRET_BYTES, secretValue } from '@sallyport/contract';
import { holdsCertificates } from '@sallyport/tls/certificates-in-pem';
import { CliError } from './cli-error.ts';
import { promptHidden } from './prompt.ts';
import { codeBehind } from './system-error.ts';
import type { Terminal } from './terminal.ts';

/** A password of 1,024 characters in UTF-8. */
const MAX_PASSWORD_BYTES = 4 * 1024;
/** Of a line end, which is taken off. */
const LINE_END_BYTES = 2;
const MAX_NOTE_BYTES = 64 * 1024;
const MAX_PLUGIN_BYTES = 1024 * 1024;

/** A file, or standard input (`-`), and the option or variable that named it. */
export type Input = { option: string; path: string };

/**
 * A secret's value, never from the command line. From `--file F` and `--file -` (standard input) every byte
 * counts. Without `--file`, input that is piped in loses one line end, since `echo` and most programs add
 * it; a person at a terminal is asked, and what is typed is not shown.
 *
 * @throws CliError `input.unusable`: unreadable, empty, no UTF-8, or over 64 KiB
 */
export async function readSecretValue(
  terminal: Terminal,
  file: string | undefined,
): Promise<string> {
  const text = await readValue(terminal, file);
  if (secretValue.safeParse(text).success) return text;
  throw new CliError('input.unusable', `the value must be of 1 to ${MAX_SECRET_BYTES} bytes`);
}

async function readValue(terminal: Terminal, file: string | undefined): Promise<string> {
  if (file === undefined && terminal.stdinIsTty)
    return promptHidden(terminal, 'Value (not shown): ');
  const input = { option: '--file', path: file ?? '-' };
  if (file !== undefined) return readText(terminal, input, MAX_SECRET_BYTES);
  return withoutLineEnd(await readText(terminal, input, MAX_SECRET_BYTES, LINE_END_BYTES));
}

/** A password or key from a file or standard input (`-`), less one line end. @throws CliError `input.unusable` */
export async function readPassword(terminal: Terminal, input: Input): Promise<string> {
  return withoutLineEnd(await readText(terminal, input, MAX_PASSWORD_BYTES, LINE_END_BYTES));
}

/** JSON from a file or standard input (`-`). @throws CliError `input.unusable`, without the text */
export async function readJson(
  terminal: Terminal,
  path: string,
  option = '--file',
): Promise<unknown> {
  const input = { option, path };
  const text = await readText(terminal, input, MAX_PLUGIN_BYTES);
  try {
    return JSON.parse(text);
  } catch (error) {
    // Of the cause only the place, where it has one: it quotes the text.
    const [, place = ''] = / \((line \d+ column \d+)\)$/.exec(String(error)) ?? [];
    const where = place === '' ? '' : `: see ${place}`;
    throw new CliError('input.unusable', `${nameOf(input)} is not valid JSON${where}`);
  }
}

/** PEM certificates. @throws CliError `input.unusable` */
export async function readCertificates(terminal: Terminal, path: string): Promise<string> {
  const input = { option: '--ca-file', path };
  const text = await readText(terminal, input, MAX_PLUGIN_BYTES);
  if (holdsCertificates(text)) return text;
  throw new CliError(
    'input.unusable',
    `${nameOf(input)} holds no PEM certificate, or one that is damaged; export the CA’s certificate again`,
  );
}

/** A chain or a key in PEM, as it is. @throws CliError `input.unusable` */
export async function readPem(terminal: Terminal, input: Input): Promise<string> {
  return readText(terminal, input, MAX_CHAIN_BYTES);
}

/** A PKCS#12 file. @throws CliError `input.unusable` */
export async function readPkcs12(terminal: Terminal, input: Input): Promise<Buffer> {
  return readBytes(terminal, input, MAX_CHAIN_BYTES);
}

/** A checkpoint or a verifier key. @throws CliError `input.unusable` */
export async function readNote(terminal: Terminal, input: Input): Promise<string> {
  return readText(terminal, input, MAX_NOTE_BYTES);
}

async function readText(
  terminal: Terminal,
  input: Input,
  maxBytes: number,
  beyondBytes = 0,
): Promise<string> {
  const bytes = await readBytes(terminal, input, maxBytes, beyondBytes);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const advice = 'encode binary values first, as base64 for example';
    throw new CliError('input.unusable', `${nameOf(input)} is not UTF-8 text; ${advice}`);
  }
}

/** At most `maxBytes`, and `beyondBytes` that are not counted among them. */
async function readBytes(
  terminal: Terminal,
  input: Input,
  maxBytes: number,
  beyondBytes = 0,
): Promise<Buffer> {
  const { path } = input;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    const stream: AsyncIterable<Buffer> = path === '-' ? terminal.stdin : createReadStream(path);
    for await (const chunk of stream) {
      length += chunk.byteLength;
      if (length > maxBytes + beyondBytes) throw tooLong(input, maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    const advice = path === '-' ? '' : '; check its path and permissions';
    throw new CliError(
      'input.unusable',
      `${nameOf(input)} cannot be read${codeBehind(error)}${advice}`,
      error,
    );
  }
  return Buffer.concat(chunks);
}

function tooLong(input: Input, maxBytes: number): CliError {
  return new CliError('input.unusable', `${nameOf(input)} is longer than ${maxBytes} bytes`);
}

/** Never the path: somebody may have put the secret itself there. */
function nameOf({ option, path }: Input): string {
  return path === '-' ? 'standard input' : `the file of ${option}`;
}

/** `echo` and most programs add one line end, which is no part of what they print. */
export function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}
