import type { IncomingMessage, ServerResponse } from 'node:http';

/** What programs ask for, as metrics call it; never a name of a value. */
const resources = ['secrets', 'config', 'certificates', 'watch', 'healthz', 'metrics'] as const;
type Resource = (typeof resources)[number] | 'other';

/** How many requests of programs were answered, by what they asked for and the status. */
export class RequestCounts {
  readonly #counts = new Map<string, { resource: Resource; status: number; count: number }>();

  /** Counts a request once it is answered. */
  note({ url }: IncomingMessage, response: ServerResponse): void {
    const [, first = '', second] = (url ?? '').split(/[/?]/, 3);
    const asked = first === 'v1' ? second : first;
    const resource = resources.find((each) => each === asked) ?? 'other';
    response.once('finish', () => {
      const key = `${resource} ${response.statusCode}`;
      const known = this.#counts.get(key);
      if (known !== undefined) known.count += 1;
      else this.#counts.set(key, { resource, status: response.statusCode, count: 1 });
    });
  }

  list(): { resource: Resource; status: number; count: number }[] {
    return [...this.#counts.values()];
  }
}
