import { weekday, type LeaseWindow } from '@sallyport/contract';

/** Whether leases are granted at this moment; without windows they always are. */
export function isInWindow(windows: readonly LeaseWindow[], nowMs: number): boolean {
  return windows.length === 0 || windows.some((window) => holds(window, nowMs));
}

function holds({ days, from, until, timeZone }: LeaseWindow, nowMs: number): boolean {
  const { day, time } = onClock(timeZone, nowMs);
  return days.some((each) => each === day) && from <= time && time < until;
}

/** Day and time of day, as `HH:MM`, on the clocks of a time zone. */
function onClock(timeZone: string, nowMs: number): { day: string; time: string } {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
  const day = weekday.parse(parts.get('weekday')?.toLowerCase());
  return { day, time: `${parts.get('hour') ?? ''}:${parts.get('minute') ?? ''}` };
}
