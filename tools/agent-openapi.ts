import { localApiDocument } from '../apps/agent/src/local-api/openapi.ts';
import { writtenDocument } from './written-document.ts';

/** Writes docs/agent-openapi.json as the agent serves it; `--check` fails when it is not up to date. */
const document = `${JSON.stringify(localApiDocument(), null, 2)}\n`;
await writtenDocument('agent-openapi.json', document, 'tools/agent-openapi.ts');
