import type { Environment } from '@sallyport/config/load';
import { denied, notThere, type Provider } from './provider.ts';
import type { ReferenceOf } from './reference.ts';

/** Variables of the agent's own environment: those that its configuration lists, and no others. */
export class EnvironmentProvider implements Provider<'env'> {
  readonly #names: ReadonlySet<string>;
  readonly #env: Environment;

  constructor(names: readonly string[], env: Environment) {
    this.#names = new Set(names);
    this.#env = env;
  }

  async resolve({ variable }: ReferenceOf<'env'>): Promise<Buffer> {
    if (!this.#names.has(variable))
      throw denied(
        'the variable that the secret refers to is not one that may be read',
        'add it to references.env.names of this agent, or mend the reference',
      );
    const value = this.#env[variable];
    if (value === undefined)
      throw notThere(
        'the variable that the secret refers to is not set',
        'set it where the agent is started',
      );
    return Buffer.from(value);
  }
}
