import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { plainAddress } from '@sallyport/tls/plain-address';
import type { ConnectionError } from 'fastify';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { problemReply } from './problem-reply.ts';

/** Makes the answer to what never became a request, since its bytes were no HTTP, too many or too late. */
export function clientErrorHandler({ log, metrics }: Pick<Platform, 'log' | 'metrics'>) {
  return (error: ConnectionError, socket: Socket): void => {
    const refusal = refusalOf(error);
    // Whoever failed at TLS or hung up could not read an answer.
    if (refusal === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    const requestId = newId();
    metrics.refusals.inc({ code: refusal.code });
    const address = socket.remoteAddress && plainAddress(socket.remoteAddress);
    log.info({ code: refusal.code, err: refusal, requestId, address }, 'request refused');
    const { status, headers, body } = problemReply(refusal, requestId);
    const lines = Object.entries({
      ...headers,
      'content-length': String(Buffer.byteLength(body)),
      connection: 'close',
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
    socket.destroySoon();
  };
}

function refusalOf(error: ConnectionError): AppError | undefined {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new AppError('request.timed_out', 'The request took too long to arrive; send it again.');
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return new AppError(
      'request.headers_too_large',
      'The request’s path and headers are too large; send less than 16 KiB of them.',
    );
  return error.code.startsWith('HPE_')
    ? new AppError('request.invalid', 'The request is not valid HTTP/1.1.')
    : undefined;
}
