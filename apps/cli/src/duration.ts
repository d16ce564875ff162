import { z } from 'zod';

const SHAPE = /^(?=\d)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?$/;

/** A duration as people write it (`90s`, `1h30m`, `7d`), in seconds. A number without a unit is refused. */
export const duration = z
  .string()
  .regex(SHAPE, 'use a duration such as 90s, 30m, 1h30m or 7d')
  .transform((text) => {
    const [, days = 0, hours = 0, minutes = 0, seconds = 0] = SHAPE.exec(text) ?? [];
    return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  });
