import { configPath, type LocalClient } from '../cli/local-client.ts';
import type { Entry } from '../cli/local-events.ts';
import { named, readSecret, untilOneRevision } from '../cli/read-together.ts';
import { listReply } from '../local-api/replies.ts';
import type { Source } from './template.ts';

/** What was made of values of one revision. */
export type Rendered = { text: string; revision: number };

/**
 * Renders by values of one revision, again while they change. What is asked for is noted in `asked`, also where it is
 * not there.
 *
 * @throws AgentError `agent.not_ready` when there was another revision each time, and those of `render`
 */
export async function renderAtOneRevision(
  client: LocalClient,
  asked: (entry: Entry) => void,
  render: (source: Source) => Promise<string>,
): Promise<Rendered> {
  return untilOneRevision(async () => {
    const before = await revisionOf(client);
    const revisions = [before];
    const text = await render({
      secret: async (secret, field) => {
        asked({ kind: 'secret', name: secret });
        const { value, revision } = await readSecret({ secret, field }, client);
        revisions.push(revision);
        return value;
      },
      config: (name) => {
        asked({ kind: 'plugin', name });
        return client.readJson(configPath(name)).catch((error: unknown) => {
          throw named(error, name);
        });
      },
    });
    // A configuration comes without its revision: there is none but this one before and after it.
    revisions.push(await revisionOf(client));
    return { revisions, result: { text, revision: before } };
  });
}

async function revisionOf(client: LocalClient): Promise<number> {
  return (await client.read('/v1/secrets', listReply)).revision;
}
