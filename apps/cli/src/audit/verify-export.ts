import { auditExportBase, auditExportLine } from '@sallyport/contract';
import { GENESIS, type ChainHead } from '@sallyport/crypto/audit-chain';
import {
  parseVerifierKey,
  readCheckpoint,
  verifyCheckpoint,
  type NoteVerifier,
} from '@sallyport/crypto/checkpoint';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { ChainVerifier, type ChainBreakKind } from '@sallyport/crypto/verify-audit';
import { CliError } from '../cli-error.ts';
import { linesOf } from './export-lines.ts';
import { jsonOfLine } from './json-line.ts';

/** Text of a checkpoint and of the key that it must be signed by, and whether nothing may come before the export. */
export type Proof = {
  checkpoint: string | undefined;
  key: string | undefined;
  fromStart: boolean;
};

/** What an intact export holds: the positions after `base` up to `size`, and how its checkpoint was checked. */
export type VerifiedExport = {
  intact: true;
  base: number;
  size: number;
  hash: string;
  checkpoint: 'signed' | 'signature not checked' | null;
};

/** What is wrong, for people. */
export const inWords: Record<ChainBreakKind, string> = {
  edited: 'what stands there is not what was recorded',
  deleted: 'what was recorded there is gone',
  reordered: 'what was recorded there stands elsewhere',
  truncated: 'the end is missing: a checkpoint names more',
  rewritten: 'a checkpoint names another hash: the chain was written anew',
};

/**
 * Verifies an export by itself, without a control plane.
 *
 * @throws CliError `audit.broken` with what is wrong at which position; `input.unusable` for what is no export, checkpoint or key
 */
export async function verifyExport(file: string, proof: Proof): Promise<VerifiedExport> {
  const verifier =
    proof.key === undefined ? undefined : reading(() => parseVerifierKey(proof.key ?? ''));
  const checkpoint =
    proof.checkpoint === undefined ? undefined : checked(proof.checkpoint, verifier);
  const lines = linesOf(file);
  const base = baseOf((await lines.next()).value, verifier);
  if (proof.fromStart && base.position > 0)
    throw broken(1, 'the export begins after it, and --from-start asks for the first', 'missing');
  if (checkpoint !== undefined && checkpoint.position < base.position)
    throw new CliError(
      'input.unusable',
      `the checkpoint is of position ${checkpoint.position}, before the export begins; take a later one`,
    );
  const chain = new ChainVerifier(base, checkpoint === undefined ? [] : [checkpoint]);
  for await (const line of lines) chain.add(linkOf(line, chain.head.position + 1));
  const verdict = chain.end();
  if (!verdict.intact)
    throw broken(verdict.break.position, inWords[verdict.break.kind], verdict.break.kind);
  return {
    intact: true,
    base: base.position,
    size: verdict.head.position,
    hash: verdict.head.hash,
    checkpoint:
      checkpoint === undefined ? null : verifier === undefined ? 'signature not checked' : 'signed',
  };
}

/** The error of a chain that is not what was recorded. */
export function broken(position: number, words: string, kind: string): CliError {
  return new CliError('audit.broken', `position ${position} is ${kind}: ${words}`);
}

function checked(note: string, verifier: NoteVerifier | undefined): ChainHead {
  if (verifier === undefined) return reading(() => readCheckpoint(note));
  try {
    return verifyCheckpoint(verifier, note);
  } catch (error) {
    if (error instanceof CryptoError && error.code === 'checkpoint.unsigned')
      throw new CliError('audit.broken', `${error.message}`, error);
    throw unusable(error);
  }
}

/** What the export goes on from: where every chain begins, or a link before. */
function baseOf(line: string | undefined, verifier: NoteVerifier | undefined): ChainHead {
  const parsed = auditExportBase.safeParse(jsonOfLine(line ?? ''));
  if (!parsed.success)
    throw new CliError('input.unusable', 'the file is no export: its first line names no base');
  const { position, hash, checkpoint } = parsed.data.base;
  if (position === 0 && hash !== GENESIS.hash)
    throw broken(1, 'a chain does not begin with such a base', 'edited');
  if (checkpoint !== null && verifier !== undefined) {
    const signed = checked(checkpoint, verifier);
    if (signed.position !== position || signed.hash !== hash)
      throw broken(position, 'its base is not what the checkpoint beside it says', 'edited');
  }
  return { position, hash };
}

function linkOf(line: string, expected: number) {
  const parsed = auditExportLine.safeParse(jsonOfLine(line));
  if (!parsed.success) throw broken(expected, 'its line is no line of an export', 'edited');
  return parsed.data;
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unusable(error);
  }
}

function unusable(error: unknown): unknown {
  return error instanceof CryptoError
    ? new CliError('input.unusable', error.message, error)
    : error;
}
