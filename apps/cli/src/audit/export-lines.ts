import { createReadStream } from 'node:fs';
import { CliError } from '../cli-error.ts';
import { codeBehind } from '../system-error.ts';

/** Longer than any event: what is longer is no export, and must not fill the memory. */
const MAX_LINE_BYTES = 256 * 1024;
const LINE_END = 0x0a;

/** The lines of a file, without their ends; a last one without an end too. @throws CliError `input.unusable` */
export async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  try {
    const stream: AsyncIterable<Buffer> = createReadStream(file);
    for await (const chunk of stream) {
      let bytes = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let end = bytes.indexOf(LINE_END); end !== -1; end = bytes.indexOf(LINE_END)) {
        yield bytes.toString('utf8', 0, end);
        bytes = bytes.subarray(end + 1);
      }
      if (bytes.byteLength > MAX_LINE_BYTES)
        throw new CliError('input.unusable', 'the file has a line that is longer than any event');
      rest = Buffer.from(bytes);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError('input.unusable', `the export cannot be read${codeBehind(error)}`, error);
  }
  if (rest.byteLength > 0) yield rest.toString('utf8');
}
