import { createHmac, randomBytes } from 'node:crypto';
import { resourceName } from '@sallyport/contract';

/** What a scan has proposed so far: a name is for one value, and further ones are numbered, in the order they come. */
export class NamesInUse {
  /** Values are known by digests that are good for this scan alone. */
  readonly #key = randomBytes(32);
  readonly #names = new Map<string, string>();
  readonly #taken = new Set<string>();
  readonly #last = new Map<string, number>();

  /** The name that is wanted, or with a number where that is another value's. */
  nameFor(wanted: string, value: string): string {
    const digest = createHmac('sha256', this.#key).update(value).digest('base64');
    const known = this.#names.get(`${wanted} ${digest}`);
    if (known !== undefined) return known;
    const name = this.#free(wanted);
    this.#names.set(`${wanted} ${digest}`, name);
    this.#taken.add(name);
    return name;
  }

  #free(wanted: string): string {
    let number = this.#last.get(wanted) ?? 0;
    let name: string;
    do {
      number += 1;
      name = number === 1 ? wanted : numbered(wanted, number);
    } while (this.#taken.has(name));
    this.#last.set(wanted, number);
    return name;
  }
}

/** Shortened where the number would make it longer than a name may be. */
function numbered(wanted: string, number: number): string {
  const name = `${wanted}-${number}`;
  if (resourceName.safeParse(name).success) return name;
  return `${wanted.slice(0, wanted.length - `-${number}`.length)}-${number}`;
}
