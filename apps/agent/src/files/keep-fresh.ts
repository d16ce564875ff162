import { logDefect } from '../log-defect.ts';
import type { Log } from '../log.ts';

/** How often the files of keys, CAs and tokens are looked at. */
const EVERY_MS = 5_000;

/** Looks again and again, one look at a time: on a disk that hangs they would take every thread. */
export function keepFresh(
  refresh: () => Promise<void>,
  log: Log,
  { everyMs = EVERY_MS, atOnce = false } = {},
): NodeJS.Timeout {
  let isLooking = false;
  const look = async () => {
    isLooking = true;
    try {
      await refresh();
    } catch (error) {
      logDefect(log, error);
    } finally {
      isLooking = false;
    }
  };
  if (atOnce) void look();
  return setInterval(() => {
    if (!isLooking) void look();
  }, everyMs);
}
