/** The title of a group of tests; says aloud that they are left out where there is a reason. */
export function titleOrLeftOut(what: string, why: string | undefined): string {
  if (why === undefined) return what;
  process.stdout.write(`\nLeft out, ${why}: ${what}\n`);
  return `${what} (left out: ${why})`;
}
