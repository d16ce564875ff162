import { AgentError } from '../agent-error.ts';

/** What a reference of each scheme names. `field` is a member of what is there, when that is JSON. */
type Named = {
  vault: { mount: string; path: string; version?: string; field?: string };
  'aws-sm': { secretId: string; field?: string };
  'azure-kv': { vault: string; secret: string; version?: string };
  k8s: { namespace: string; secret: string; key: string };
  file: { path: string; field?: string };
  env: { variable: string };
  exec: { command: string; field?: string };
};

export type Scheme = keyof Named;
export type ReferenceOf<Each extends Scheme> = {
  [Name in Each]: { scheme: Name } & Named[Name];
}[Each];
export type Reference = ReferenceOf<Scheme>;

/** The parts of a URI, decoded. */
type Parts = { segments: string[]; version: string | undefined; field: string | undefined };

type Grammar<Each extends Scheme> = {
  written: string;
  /** Undefined for parts that make no reference of this scheme. */
  read: (parts: Parts) => ReferenceOf<Each> | undefined;
};

const MAX_URI_CHARACTERS = 2_048;
const DNS_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const grammars: { [Each in Scheme]: Grammar<Each> } = {
  vault: {
    written: 'vault://<mount>/<path>#<field>, with ?version=<number> before the # if need be',
    read: ({ segments: [mount, ...path], version, field }) => {
      if (mount === undefined || path.length === 0) return undefined;
      if (version !== undefined && !/^[1-9]\d{0,8}$/.test(version)) return undefined;
      return { scheme: 'vault', mount, path: path.join('/'), ...given({ version, field }) };
    },
  },
  'aws-sm': {
    written: 'aws-sm://<name or ARN of a secret>#<field>, the field only where it is JSON',
    read: ({ segments, version, field }) => {
      const secretId = segments.join('/');
      if (version !== undefined || !/^[\w/+=.@:!-]{1,2048}$/.test(secretId)) return undefined;
      return { scheme: 'aws-sm', secretId, ...given({ field }) };
    },
  },
  'azure-kv': {
    written: 'azure-kv://<vault>/<secret>, with ?version=<version> if need be',
    read: ({ segments: [vault, secret, more], version, field }) => {
      if (vault === undefined || secret === undefined || (more ?? field) !== undefined)
        return undefined;
      const names = version === undefined ? [vault, secret] : [vault, secret, version];
      if (!names.every((name) => /^[A-Za-z0-9-]{1,127}$/.test(name))) return undefined;
      return { scheme: 'azure-kv', vault, secret, ...given({ version }) };
    },
  },
  k8s: {
    written: 'k8s://<namespace>/<secret>/<key>',
    read: ({ segments: [namespace = '', secret = '', key = '', more], version, field }) => {
      if ((more ?? version ?? field) !== undefined) return undefined;
      if (!DNS_NAME.test(namespace) || !DNS_NAME.test(secret)) return undefined;
      return /^[\w.-]{1,253}$/.test(key) ? { scheme: 'k8s', namespace, secret, key } : undefined;
    },
  },
  file: {
    written: 'file:///<absolute path>#<field>, the field only where the file is JSON',
    read: ({ segments: [host, ...path], version, field }) =>
      host !== '' || path.length === 0 || version !== undefined
        ? undefined
        : { scheme: 'file', path: `/${path.join('/')}`, ...given({ field }) },
  },
  env: {
    written: 'env://<NAME>',
    read: ({ segments: [variable = '', more], version, field }) =>
      /^[A-Za-z_]\w{0,127}$/.test(variable) && (more ?? version ?? field) === undefined
        ? { scheme: 'env', variable }
        : undefined,
  },
  exec: {
    written: 'exec://<name of a command of the agent>#<field>, the field only where it prints JSON',
    read: ({ segments: [command = '', more], version, field }) =>
      /^[a-z0-9][\w.-]{0,62}$/i.test(command) && (more ?? version) === undefined
        ? { scheme: 'exec', command, ...given({ field }) }
        : undefined,
  },
};

/**
 * Reads a URI such as `vault://kv/shop/db#password`. `called` is what holds it, for the error.
 *
 * @throws AgentError `reference.invalid`, which repeats nothing of the URI but a scheme that is known
 */
export function parseReference(uri: string, called: string): Reference {
  const [, scheme = '', rest = ''] = /^([a-z0-9-]+):\/\/(.*)$/s.exec(uri) ?? [];
  if (!isScheme(scheme))
    throw invalid(called, `begin it with ${Object.keys(grammars).join('://, ')}://`);
  const reference = uri.length > MAX_URI_CHARACTERS ? undefined : read(scheme, rest);
  if (reference === undefined) throw invalid(called, `write it as ${grammars[scheme].written}`);
  return reference;
}

function read(scheme: Scheme, rest: string): Reference | undefined {
  const parts = partsOf(rest, scheme === 'file');
  return parts && grammars[scheme].read(parts);
}

function partsOf(rest: string, hasHost: boolean): Parts | undefined {
  const [, path = '', query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(rest) ?? [];
  const [, version] = /^version=([^&]+)$/.exec(query ?? '') ?? [];
  if (query !== undefined && version === undefined) return undefined;
  try {
    const segments = path.split('/').map(decodeURIComponent);
    const field = fragment === undefined ? undefined : decodeURIComponent(fragment);
    const names = segments.slice(hasHost ? 1 : 0);
    return field !== '' && names.every(isText) ? { segments, version, field } : undefined;
  } catch {
    return undefined;
  }
}

/** Neither a path upwards, by an encoded slash either, nor what no name holds. */
function isText(text: string): boolean {
  const names = text.split('/');
  return !names.some((name) => ['', '.', '..'].includes(name)) && !/\p{Cc}/u.test(text);
}

function isScheme(text: string): text is Scheme {
  return Object.hasOwn(grammars, text);
}

function given(parts: Partial<Record<'version' | 'field', string | undefined>>) {
  const { version, field } = parts;
  return {
    ...(version === undefined ? {} : { version }),
    ...(field === undefined ? {} : { field }),
  };
}

function invalid(called: string, advice: string): AgentError {
  return new AgentError('reference.invalid', `${called} is no reference that can be read`, {
    advice,
  });
}

export function isReference(uri: string): boolean {
  try {
    parseReference(uri, '');
    return true;
  } catch {
    return false;
  }
}
