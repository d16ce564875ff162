import type { ApiError } from './cli-error.ts';

/** Where the name of what is not there stands in a request's path, and what lists those that are. */
const known: ReadonlyMap<string, { name: RegExp; list: string }> = new Map(
  Object.entries({
    'group.not_found': { name: /^\/groups\/([^/?]+)/, list: 'group list' },
    'secret.not_found': { name: /\/secrets\/([^/?]+)/, list: 'secret list --group' },
    'plugin.not_found': { name: /\/plugins\/([^/?]+)/, list: 'plugin list --group' },
    'certificate.not_found': { name: /\/certificates\/([^/?]+)/, list: 'certificate list --group' },
    'link.not_found': { name: /\/links\/([^/?]+)/, list: 'link list --group' },
    'operator.not_found': { name: /^\/operators\/([^/?]+)/, list: 'operator list' },
  }),
);
/** Of roles, and of what holds some. */
const OF_ROLES = /^\/(?:api-keys|operators|role-bindings)/;

/** The words of the control plane, with the name that was typed and where to look for the right one. */
export function withWayOut({ code, message, path }: ApiError): string {
  const way = known.get(code);
  if (way === undefined) return message;
  const [, name] = way.name.exec(path) ?? [];
  const [, group = ''] = /^\/groups\/([^/?]+)/.exec(path) ?? [];
  const list = `sallyport ${way.list.replace(/--group$/, `--group ${decodeURIComponent(group)}`)}`;
  const named = name === undefined ? '' : `: ${decodeURIComponent(name)}`;
  const everywhere =
    code === 'group.not_found' && OF_ROLES.test(path)
      ? '; a role that holds everywhere is written without a group'
      : '';
  return `${message.replace(/\.$/, '')}${named} — see: ${list}${everywhere}`;
}
