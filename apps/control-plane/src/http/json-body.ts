import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from '../platform/app-error.ts';

/**
 * How deep a body may nest. Twice what a plugin's configuration may, since its schema takes two levels for
 * each of them.
 */
const MAX_DEPTH = 72;

const JSON_BODY = 'application/json';
/** RFC 7396, section 4. */
export const MERGE_PATCH = 'application/merge-patch+json';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * Parses JSON bodies: bounded in depth before anything calls itself for each level, and refusing `__proto__`
 * and `constructor.prototype` (secure-json-parse, which Fastify brings). A route takes the media types that its schema
 * says it consumes; where it says nothing, plain JSON.
 */
export function parseJsonBodies(app: FastifyInstance, mediaType = JSON_BODY): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<string>(mediaType, { parseAs: 'string' }, (request, body, done) => {
    if (!mediaTypesOf(request).includes(mediaType)) {
      done(unsupportedMediaType(request));
      return;
    }
    if (isDeeperThan(MAX_DEPTH, body)) {
      const detail = `The body nests deeper than ${MAX_DEPTH} levels.`;
      done(
        new AppError('request.invalid', detail, {
          issues: [{ field: 'body', message: 'nests too deep' }],
        }),
      );
      return;
    }
    void parse(request, body, done);
  });
}

/** The media types that a route takes. */
export function mediaTypesOf({ routeOptions }: FastifyRequest): readonly string[] {
  return routeOptions.schema?.consumes ?? [JSON_BODY];
}

export function unsupportedMediaType(request: FastifyRequest, cause?: unknown): AppError {
  const detail = `Send the body as ${mediaTypesOf(request).join(' or ')}.`;
  return new AppError('request.unsupported_media_type', detail, { cause });
}

/** Whether text, as far as it is JSON, opens more than `limit` objects and arrays within each other. */
function isDeeperThan(limit: number, json: string): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at);
    if (inText) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) inText = false;
    } else if (code === QUOTE) inText = true;
    else if (OPENING.has(code)) {
      depth += 1;
      if (depth > limit) return true;
    } else if (CLOSING.has(code)) depth -= 1;
  }
  return false;
}
