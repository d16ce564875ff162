import { basename } from 'node:path';
import { resourceName } from '@sallyport/contract';
import type { Finding } from './find-secrets.ts';
import type { NamesInUse } from './names-in-use.ts';

/** What to do with a secret that stands in a file: what to call it, and how the program gets it instead. */
export type Proposal = { name: string; store: string; use: string };

const VARIABLE = /^[A-Z][A-Z0-9_]*$/;

/** Proposes where the secret goes and what takes its place; `app` is what its name begins with. */
export function proposalFor(
  app: string,
  path: string,
  { rule, key, value }: Finding,
  names: NamesInUse,
): Proposal {
  const name = names.nameFor(nameFor(app, path, key ?? rule), value);
  const store = `sallyport secret set --group <group> ${name}`;
  if (key !== undefined && VARIABLE.test(key))
    return { name, store, use: `sallyport-agent exec --env ${key}=secret:${name} -- <command>` };
  return { name, store, use: `{{ "${name}" | secret }} in a template of sallyport-agent render` };
}

/** `app/db-password`: of what it is assigned to, or of its kind and the file that it is in. */
function nameFor(app: string, path: string, what: string): string {
  const last = /^[A-Za-z]/.test(what) ? what : `${basename(path)}-${what}`;
  const parts = [app, last].map((part) =>
    part
      .replaceAll(/([a-z0-9])(?=[A-Z])/g, '$1-')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, ''),
  );
  const name = parts.filter((part) => part !== '').join('/');
  return resourceName.safeParse(name).success ? name : 'app/secret';
}
