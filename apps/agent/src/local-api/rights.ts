import type { Allowed } from '../local-api-settings.ts';
import { NameSet } from '../name-patterns.ts';
import type { EntryKind } from '../sync/open-bundle.ts';

/** What the programs at one listener may read. */
export type Rights = {
  allows(kind: EntryKind, name: string): boolean;
};

/** Of the agent's own socket, whose file says who may ask. */
export const everything: Rights = { allows: () => true };

/** Of the patterns of a listener: a name, everything below one as `db/*`, or `*`. */
export function rightsOf({ secrets, configs, certificates }: Allowed): Rights {
  const named = new NameSet(secrets);
  const lists: Record<EntryKind, NameSet> = {
    secret: named,
    // Programs ask for it as the secret that it leads to.
    reference: named,
    plugin: new NameSet(configs),
    certificate: new NameSet(certificates),
  };
  return { allows: (kind, name) => lists[kind].has(name) };
}
