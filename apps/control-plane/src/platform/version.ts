/** The release, as operators and agents see it. */
export const VERSION = '0.1.0';
