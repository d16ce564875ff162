import type { ErrorCode } from '@sallyport/contract';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { AppError } from '../platform/app-error.ts';

/** Makes a public refusal of a JWT that was not believed; time alone is told apart, since its way out is another. */
export function proofRefusal(error: unknown, code: ErrorCode, sentence: string): unknown {
  if (!(error instanceof CryptoError)) return error;
  if (error.code === 'jwt.expired' || error.code === 'jwt.not_yet_valid') {
    return new AppError(
      'clock.skewed',
      `${sentence}: ${error.message}. Compare the clocks of both hosts.`,
      { cause: error },
    );
  }
  return new AppError(code, `${sentence}: ${error.message}.`, { cause: error });
}
