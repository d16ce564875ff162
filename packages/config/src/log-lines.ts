import { destination, type DestinationStream } from 'pino';

/** What standard error does not take waits for the next line, up to this much; what is more is dropped. */
const MAX_UNWRITTEN_BYTES = 64 * 1024;

/** What the log says once lines are taken again, with how many there were as its `count`. */
export const DROPPED =
  'lines of this log were dropped, since standard error took none: its disk was full, or nobody read it';

/** Where log lines go. `onDropped` is told how many were dropped, once lines are taken again. */
export type LogLines = DestinationStream & {
  onDropped?: (tell: (count: number) => void) => void;
};

/** Neither a full disk under it nor a reader that reads no more stops or holds the program. */
export function standardError(): LogLines {
  // This also makes a pipe one that refuses what it has no room for, rather than holding the program.
  process.stderr.on('error', () => {});
  const lines = destination({
    fd: 2,
    sync: true,
    maxLength: MAX_UNWRITTEN_BYTES,
    retryEAGAIN: () => false,
  });
  lines.on('error', () => {});
  let dropped = 0;
  lines.on('drop', () => {
    dropped += 1;
    // A line that is dropped has nothing written, and without this none would ever be again.
    lines.write('');
  });
  return Object.assign(lines, {
    onDropped: (tell: (count: number) => void) => {
      lines.on('drain', () => {
        if (dropped === 0) return;
        const count = dropped;
        tell(count);
        // What tells of it may be dropped too, and is no loss then.
        dropped = dropped === count ? 0 : count;
      });
    },
  });
}
