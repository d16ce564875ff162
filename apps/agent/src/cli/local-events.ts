import type { Readable } from 'node:stream';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import type { EntryKind } from '../sync/open-bundle.ts';

/** What `GET /v1/watch` tells: that an entry differs, that everything may, or up to which revision all was told. */
export type LocalEvent =
  | { event: 'change'; kind: string; name: string }
  | { event: 'reset' }
  | { event: 'revision'; revision: number };

/** An entry that somebody wants to hear of. */
export type Entry = { kind: EntryKind; name: string };

const change = z.object({ kind: z.string(), name: z.string() });
const revision = z.object({ revision: z.int() });

/** The agent's own lines are of some hundred characters. */
const MAX_LINE_LENGTH = 64 * 1024;

/**
 * Reads server-sent events until the stream ends; what is of no use here is left out.
 *
 * @throws AgentError `agent.unrecognised` for a line that does not end
 */
export async function* localEvents(stream: Readable): AsyncGenerator<LocalEvent> {
  let event = '';
  for await (const line of linesOf(stream)) {
    const [, field, text = ''] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field === 'event') event = text;
    if (field !== 'data') continue;
    if (event === 'reset') yield { event };
    if (event === 'change') yield { event, ...change.parse(JSON.parse(text)) };
    if (event === 'revision') yield { event, ...revision.parse(JSON.parse(text)) };
  }
}

async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let begun = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = `${begun}${chunk}`.split('\n');
    begun = lines.pop() ?? '';
    if (begun.length > MAX_LINE_LENGTH)
      throw new AgentError('agent.unrecognised', 'what tells of changes is no sallyport-agent');
    yield* lines;
  }
}
