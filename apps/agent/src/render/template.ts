import { Liquid, LiquidError, type Template } from 'liquidjs';
import { AgentError } from '../agent-error.ts';

/** Where a template takes values from. */
export type Source = {
  /** The value of a secret, or of a field of it. */
  secret(name: string, field: string | undefined): Promise<string>;
  /** A configuration, parsed. */
  config(name: string): Promise<unknown>;
};

/** What Liquid evaluates step by step. */
type Evaluation = Generator<unknown, unknown, unknown>;

/** Read other files, or print what no check has seen. */
const REMOVED_TAGS = ['include', 'render', 'layout', 'block', 'echo', 'cycle'];
/** What else than a missing value may be made of `null`. */
const TAKE_NULL: ReadonlySet<string> = new Set(['default', 'json', 'jsonify', 'inspect']);
/** With the time that values are waited for, of which one may take two minutes. */
const MAX_RENDER_MS = 5 * 60_000;
const MAX_OBJECTS = 100_000_000;

/**
 * The text of a template in Liquid, where `{{ "db/password" | secret }}` is a secret and `{{ "rate-limit" | config }}`
 * a configuration. What is missing is an error, and never an empty text. `file` is how errors call the template.
 *
 * @throws AgentError `template.invalid`, `template.value_missing`, `template.failed`, and those of `source`, each with
 *   the line, the column and what of the template is wrong there, and never with a value
 */
export async function renderTemplate(
  template: string,
  file: string,
  source: Source,
  maxMs = MAX_RENDER_MS,
): Promise<string> {
  const engine = makeEngine(source, template, maxMs);
  const parsed = parse(engine, template, file);
  try {
    const text: unknown = await engine.render(parsed, {});
    return String(text);
  } catch (error) {
    throw faultOf(error, file, template);
  }
}

/** No value is known yet: what is told of is the template's own. @throws AgentError `template.invalid`, `template.failed` */
function parse(engine: Liquid, template: string, file: string): Template[] {
  try {
    return engine.parse(template);
  } catch (error) {
    if (isLimit(error)) throw tooMuch(file);
    if (!LiquidError.is(error)) throw error;
    throw new AgentError('template.invalid', `${placeOf(error, file)}: ${mistakeIn(error)}`, {
      advice: 'see that all tags and filters there exist, and are closed; files cannot be included',
    });
  }
}

function makeEngine(source: Source, template: string, maxMs: number): Liquid {
  const engine = new Liquid({
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    renderLimit: maxMs,
    memoryLimit: MAX_OBJECTS,
    templates: {},
    outputEscape: printed,
  });
  for (const tag of REMOVED_TAGS) delete engine.tags[tag];
  // It would print without `printed`.
  delete engine.filters['raw'];
  for (const [name, filter] of Object.entries(engine.filters)) {
    if (typeof filter !== 'function' || TAKE_NULL.has(name)) continue;
    engine.registerFilter(name, function* (value: unknown, ...args: unknown[]): Evaluation {
      const given = Array.isArray(value) ? [...value, ...args] : [value, ...args];
      if (given.some((each) => each == null))
        throw missing(`a value that the filter ${name} is given`);
      try {
        // Awaited, since Liquid would tell of what a condition misses by the place in that condition.
        return yield Reflect.apply(filter, this, [value, ...args]);
      } catch (error) {
        throw isLimit(error) ? error : agentErrorOf(error, template, `the filter ${name}`);
      }
    });
  }
  engine.registerFilter('secret', (name: unknown, field: unknown) =>
    source.secret(nameFrom(name), field === undefined ? undefined : nameFrom(field)),
  );
  engine.registerFilter('config', (name: unknown) => source.config(nameFrom(name)));
  return engine;
}

function nameFrom(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new AgentError('template.failed', 'what a value is asked for by is no text', {
    advice: 'put the name in quotes',
  });
}

function printed(value: unknown): string {
  if (value == null) throw missing();
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return `${value}`;
  throw new AgentError('template.failed', 'an object cannot be printed as it is', {
    advice: 'print one of its members, or the whole with | json',
  });
}

function missing(what = 'a value'): AgentError {
  return new AgentError('template.value_missing', `${what} is not there`, {
    advice: 'correct its name, or put it where it is taken from',
  });
}

/** Without what it fails by, which may quote a value. */
function unfit(what: string): AgentError {
  return new AgentError('template.failed', `${what} cannot work on what it is given`, {
    advice: 'see what the filters there are given',
  });
}

/** Of Liquid's own errors only the kind and the place: their words may quote a value. */
function faultOf(error: unknown, file: string, template: string): unknown {
  if (isLimit(error)) return tooMuch(file);
  if (!LiquidError.is(error)) return error;
  const where = placeOf(error, file);
  const cause = error.originalError;
  if (isLimit(cause)) return tooMuch(where);
  const { code, message, advice, status } = agentErrorOf(error, template);
  return new AgentError(code, `${where}: ${message}`, {
    advice,
    ...(status === undefined ? {} : { status }),
  });
}

function agentErrorOf(error: unknown, template: string, what = 'a filter'): AgentError {
  const cause = LiquidError.is(error) ? error.originalError : error;
  if (cause instanceof AgentError) return cause;
  const isMissing = LiquidError.is(error) && error.name === 'UndefinedVariableError';
  return isMissing ? missing(nameOf(cause, template)) : unfit(what);
}

function placeOf({ token }: LiquidError, file: string): string {
  const [line, column] = token.getPosition();
  return `${file}, line ${line}, column ${column}`;
}

/** By Liquid’s words, of which only names are told: the rest may be all that follows in the template. */
function mistakeIn({ message, originalError }: LiquidError): string {
  const words = originalError?.message ?? message;
  const [, filter] = /^undefined filter: ([\w-]+)$/.exec(words) ?? [];
  if (filter !== undefined) return `there is no filter ${filter}`;
  const [, unknown] = /^tag "([\w-]+)" not found$/.exec(words) ?? [];
  if (unknown !== undefined) return `there is no tag ${unknown}, or nothing that it would end`;
  const [, open] = /^tag \{%-?\s*([\w-]+).* not closed$/s.exec(words) ?? [];
  if (open !== undefined) return `the tag ${open} is not closed`;
  if (/^output .* not closed/s.test(words)) return 'an output is not closed';
  return 'this is no template that can be used';
}

/** By Liquid’s words, which have no other mark. */
function isLimit(error: unknown): boolean {
  return Error.isError(error) && error.message.endsWith(' limit exceeded');
}

function tooMuch(where: string): AgentError {
  return new AgentError('template.failed', `${where}: it takes more time or memory than it may`, {
    advice:
      'see whether a provider of its values is slow, with: sallyport-agent status; or have it do less',
  });
}

/** Of what is not there, where the template itself writes it so: else a member’s name was a value. */
function nameOf(cause: unknown, template: string): string | undefined {
  const words = Error.isError(cause) ? cause.message : '';
  const [, name] = /^undefined variable: ([\w.-]+)$/.exec(words) ?? [];
  return name !== undefined && template.includes(name) ? name : undefined;
}
