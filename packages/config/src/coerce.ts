import { z } from 'zod';
import { unwrap } from './settings.ts';

/**
 * Text from a variable as the type that a schema asks for: a number, `true` or `false`, a comma-separated
 * list. Text that is none of these stays text, for the schema to refuse.
 */
export function coerceText(schema: z.core.$ZodType, text: string): unknown {
  const { core } = unwrap(schema);
  if (core instanceof z.core.$ZodNumber) {
    return /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
  }
  if (core instanceof z.core.$ZodBoolean) {
    const word = text.trim().toLowerCase();
    return word === 'true' || word === 'false' ? word === 'true' : text;
  }
  if (core instanceof z.core.$ZodArray) {
    const { element } = core._zod.def;
    const parts = text.split(',').map((part) => part.trim());
    return parts.filter((part) => part !== '').map((part) => coerceText(element, part));
  }
  if (core instanceof z.core.$ZodUnion) {
    for (const option of core._zod.def.options) {
      const value = coerceText(option, text);
      if (z.safeParse(option, value).success) return value;
    }
  }
  return text;
}
