/** What programs ask for, as metrics call it; never a name of a value. */
const resources = ['secrets', 'config', 'certificates', 'watch', 'healthz', 'metrics'] as const;
type Resource = (typeof resources)[number] | 'other';

type Count = { resource: Resource; status: number; count: number };

/** How many requests of programs were answered, by what they asked for and the status. */
export class RequestCounts {
  readonly #counts = new Map<Resource, Map<number, Count>>();

  add(url: string | undefined, status: number): void {
    const resource = resourceOf(url ?? '');
    let byStatus = this.#counts.get(resource);
    if (byStatus === undefined) this.#counts.set(resource, (byStatus = new Map()));
    const known = byStatus.get(status);
    if (known === undefined) byStatus.set(status, { resource, status, count: 1 });
    else known.count += 1;
  }

  list(): Count[] {
    return [...this.#counts.values()].flatMap((byStatus) => [...byStatus.values()]);
  }
}

function resourceOf(url: string): Resource {
  const begin = url.startsWith('/v1/') ? 4 : 1;
  return (
    resources.find((each) => {
      const next = url[begin + each.length];
      return url.startsWith(each, begin) && (next === undefined || next === '/' || next === '?');
    }) ?? 'other'
  );
}
