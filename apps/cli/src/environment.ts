import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';

/** An empty variable counts as none. */
const variable = z
  .string()
  .optional()
  .transform((text) => (text === '' ? undefined : text));

/** The variables that the CLI reads; every other one is ignored. */
export const variables = z.object({
  SALLYPORT_PASSWORD: variable,
  SALLYPORT_PASSWORD_FILE: variable,
  SALLYPORT_CONFIG_DIR: variable,
  XDG_CONFIG_HOME: variable,
});

export type Environment = {
  password: string | undefined;
  passwordFile: string | undefined;
  /** Where the session is kept. */
  configDirectory: string;
};

export function readEnvironment(env: Record<string, string | undefined>): Environment {
  const read = variables.parse(env);
  return {
    password: read.SALLYPORT_PASSWORD,
    passwordFile: read.SALLYPORT_PASSWORD_FILE,
    configDirectory:
      read.SALLYPORT_CONFIG_DIR ?? join(configHome(read.XDG_CONFIG_HOME), 'sallyport'),
  };
}

/** A relative path is ignored, as the XDG base directory specification asks. */
function configHome(xdg: string | undefined): string {
  return xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.config');
}
