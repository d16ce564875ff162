import type { ErrorCode } from '@sallyport/contract';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { parseToken, type Token, type TokenKind } from '@sallyport/crypto/token';
import { AppError } from './app-error.ts';

const refusals: Record<TokenKind, { code: ErrorCode; what: string }> = {
  agent: { code: 'agent_token.malformed', what: 'The agent token' },
  enroll: { code: 'token.malformed', what: 'The enrollment token' },
  key: { code: 'api_key.invalid', what: 'The API key' },
  session: { code: 'session.invalid', what: 'The session token' },
};

/** A token as a request brought it. @throws AppError of its kind, without the text */
export function readToken(text: string, kind: TokenKind): Token {
  try {
    return parseToken(text, kind);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    const { code, what } = refusals[kind];
    throw new AppError(code, `${what} is not accepted: ${error.message}.`, { cause: error });
  }
}
