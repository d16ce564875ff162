import { errorCodes, type ErrorCode, type ErrorKind, type ProblemIssue } from '@sallyport/contract';

/** What an actor was refused for want of a right. */
export type Denial = { permission: string; groupId?: string };

type Extra = {
  issues?: ProblemIssue[];
  retryAfterSeconds?: number;
  privateDetail?: string;
  cause?: unknown;
};

/**
 * The one error type. `message` is public: one sentence that says what is wrong and what to do, without
 * a value. `privateDetail` and `cause` go to the log only.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly issues: ProblemIssue[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly privateDetail: string | undefined;
  #denial: Denial | undefined;

  constructor(code: ErrorCode, message: string, extra: Extra = {}) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.name = 'AppError';
    this.code = code;
    this.kind = errorCodes[code];
    this.issues = extra.issues;
    this.retryAfterSeconds = extra.retryAfterSeconds;
    this.privateDetail = extra.privateDetail;
  }
  /** Marks a refusal as one for want of a right, whatever the caller is told: it is audited. */
  deniedAs(denial: Denial): this {
    this.#denial = denial;
    return this;
  }

  get denial(): Denial | undefined {
    return this.#denial;
  }
}
