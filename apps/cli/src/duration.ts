import { z } from 'zod';

const SHAPE = /^(?=\d)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?$/;

const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
  [1, 's'],
] as const;

/** A duration as people write it (`90s`, `1h30m`, `7d`), in seconds. A number without a unit is refused. */
export const duration = z
  .string()
  .regex(SHAPE, 'use a duration such as 90s, 30m, 1h30m or 7d')
  .transform((text) => {
    const [, days = 0, hours = 0, minutes = 0, seconds = 0] = SHAPE.exec(text) ?? [];
    return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  });

/** A duration of so many seconds as the schema allows. */
export function durationWithin(seconds: z.ZodNumber) {
  const range = `use ${written(seconds.minValue ?? 0)} to ${written(seconds.maxValue ?? 0)}`;
  return duration.refine((given) => seconds.safeParse(given).success, range);
}

/** Whole seconds as `duration` reads them: `1h30m`. */
export function written(seconds: number): string {
  let left = seconds;
  const parts = UNITS.map(([size, unit]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count === 0 ? '' : `${count}${unit}`;
  });
  return parts.join('') || '0s';
}
