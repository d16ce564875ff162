import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../platform/app-error.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `true` where a change heeds If-Match and If-None-Match, and where what is shown has an entity tag. */
    conditional?: boolean;
  }
}

/** What a change can be conditional on: which row it is, and which state of it. */
export type Versioned = { id: string; version: number | string };

const TAG = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;
const MAX_TAGS = 16;

/** The strong entity tag of one state of one row (RFC 9110, section 8.8.3). A row made anew has another id. */
function etagOf({ id, version }: Versioned): string {
  return `"${id}.${version}"`;
}

/** Adds the entity tag of what a reply shows. */
export function tagged(reply: FastifyReply, shown: Versioned): FastifyReply {
  return reply.header('etag', etagOf(shown));
}

/**
 * What a request asks to be true before it changes something: If-Match and If-None-Match (RFC 9110, sections
 * 13.1.1 and 13.1.2). To be checked in the transaction of the change.
 */
export class Precondition {
  readonly #ifMatch: string[] | undefined;
  readonly #ifNoneMatch: string[] | undefined;

  constructor({ headers }: FastifyRequest) {
    this.#ifMatch = tagsIn(headers['if-match']);
    this.#ifNoneMatch = tagsIn(headers['if-none-match'])?.map(opaque);
  }

  /** `current` is what is there; undefined when nothing is. @throws AppError `precondition.failed` */
  check(current: Versioned | undefined): void {
    const names = (tags: string[]) =>
      current !== undefined && (tags.includes('*') || tags.includes(etagOf(current)));
    if (this.#ifMatch !== undefined && !names(this.#ifMatch)) throw failed();
    if (this.#ifNoneMatch !== undefined && names(this.#ifNoneMatch)) throw failed();
  }

  /** For what would be lost if two wrote at once. @throws AppError also `precondition.required` */
  checkReplaced(current: Versioned | undefined): void {
    const onlyNew = this.#ifNoneMatch?.includes('*') === true;
    if (current !== undefined && this.#ifMatch === undefined && !onlyNew)
      throw new AppError(
        'precondition.required',
        'This exists already: send If-Match with the ETag of what you read, or * to replace whatever is there.',
      );
    this.check(current);
  }
}

/**
 * A condition that nobody heeds is worse than none: who sent it takes the change for safe.
 *
 * @throws AppError `request.invalid`
 */
export function refuseUnheeded({ method, headers, routeOptions }: FastifyRequest): void {
  if (method === 'GET' || routeOptions.config.conditional === true) return;
  if (headers['if-match'] === undefined && headers['if-none-match'] === undefined) return;
  throw new AppError(
    'request.invalid',
    'This is not done under a condition: leave out If-Match and If-None-Match.',
  );
}

/** Answers a GET whose If-None-Match names what would be shown with 304 (RFC 9110, section 13.1.2). */
export function tellUnmodified(api: FastifyInstance): void {
  api.addHook('onSend', async ({ method, headers }, reply, payload) => {
    const tag = reply.getHeader('etag');
    if (method !== 'GET' || reply.statusCode !== 200 || tag === undefined) return payload;
    const known = headers['if-none-match']?.split(',').map(opaque) ?? [];
    if (!known.some((each) => each === '*' || each === tag)) return payload;
    reply.code(304).removeHeader('content-type');
    return null;
  });
}

/** How If-None-Match compares, unlike If-Match (RFC 9110, section 13.1.2). */
function opaque(tag: string): string {
  return tag.trim().replace(/^W\//, '');
}

/** @throws AppError `request.invalid` */
function tagsIn(header: string | undefined): string[] | undefined {
  if (header === undefined) return undefined;
  const tags = header.split(',').map((tag) => tag.trim());
  if (tags.length > MAX_TAGS || !(header.trim() === '*' || tags.every((tag) => TAG.test(tag))))
    throw new AppError(
      'request.invalid',
      `If-Match and If-None-Match hold * or at most ${MAX_TAGS} entity tags in quotes.`,
    );
  return tags;
}

function failed(): AppError {
  return new AppError(
    'precondition.failed',
    'It is not as you read it any more: read it again, and decide anew.',
  );
}
