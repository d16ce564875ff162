import type { ProblemIssue } from '@sallyport/contract';

/** The codes of errors that are born in the CLI itself. */
export type OwnErrorCode =
  | 'usage.invalid'
  | 'input.unusable'
  | 'prompt.cancelled'
  | 'prompt.interrupted'
  | 'session.required'
  | 'session.expired'
  | 'session_file.unsafe'
  | 'session_file.unusable'
  | 'reply.unexpected'
  | 'secret.is_reference'
  | 'role_binding.not_found'
  | 'audit.broken'
  | 'plugin_type.breaks_plugins'
  | 'task.failed'
  | 'task.unfinished';

/** A refusal: one sentence that says what is wrong and what to do. Never a value. */
export class CliError extends Error {
  readonly code: OwnErrorCode;

  constructor(code: OwnErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CliError';
    this.code = code;
  }
}

/** A refusal by the control plane; `code` may be one that this version does not know. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly requestId: string;
  readonly issues: readonly ProblemIssue[];
  /** Below `/api/v1`, as it was asked for. */
  readonly path: string;

  constructor(
    problem: {
      code: string;
      status: number;
      detail: string;
      requestId: string;
      issues?: readonly ProblemIssue[] | undefined;
    },
    path: string,
  ) {
    super(problem.detail);
    this.name = 'ApiError';
    this.code = problem.code;
    this.status = problem.status;
    this.requestId = problem.requestId;
    this.issues = problem.issues ?? [];
    this.path = path;
  }
}
