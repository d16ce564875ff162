/** What the API document says before its operations: what holds for each of them. */
export const overview = `
What operators and their programs ask of a control plane. Agents have an API of their own, at another address.

**Who calls.** Send \`Authorization: Bearer\` with the token of a session (\`signIn\`) or with an API key. A browser may have its session in a cookie (\`docs/operators.md\`). A few operations are one's own and need a session: an API key is refused there (\`session.required\`, 401). An operation asks for one permission, its \`x-permission\`; roles give permissions, everywhere or in one group (\`docs/permissions.md\`). Without it the answer is \`permission.denied\` (403), or, where the caller may not even see what it is about, the same as when it is not there (\`….not_found\`, 404). Both refusals are audited.

**Bodies and names.** JSON in UTF-8, of 256 KiB at most. A field that is not known is refused, never dropped. Instants are ISO 8601 in UTC. A \`/\` in a name is written \`%2F\` in a path.

**Refusals.** A problem document (RFC 9457, \`application/problem+json\`). Its \`code\` is stable, and what a program should look at; \`detail\` is a sentence for people, \`issues\` name the fields that are wrong, and no value is ever repeated. \`request.invalid\` (400) is what any request may be told, \`server.internal\` (500) is ours. The \`requestId\`, also in \`X-Request-Id\` of every reply, finds the request in the log and in the audit.

**Lists** come in pages of \`limit\` items, 50 by default. \`nextCursor\` is the \`cursor\` of the next page, and absent on the last one.

**Conditions.** Replies that show one secret, plugin, certificate or group have an \`ETag\`. Changes that list \`If-Match\` and \`If-None-Match\` are done only if the one names what is there (\`*\`: anything), and the other does not (\`*\`: nothing is); else \`precondition.failed\` (412). Other changes refuse both headers. A read with an \`ETag\` that \`If-None-Match\` names is answered 304, without a body.

**Repeating.** A POST that lists \`Idempotency-Key\` and is sent with one is done once: for 24 hours the same caller, key and request get the first reply again, with \`Idempotency-Replayed: true\`. The same key with another request is refused (\`idempotency.mismatch\`, 422); one whose first request is still at work, or whose reply was lost, says so (\`idempotency.in_progress\`, \`idempotency.reply_lost\`, 409).

**Too much, or not now.** 429 and 503 bear \`Retry-After\`, in seconds, where the time is known: \`rate.limited\` for a caller that comes too often, \`hashing.busy\`, \`group.busy\` and the like for a moment in which too many ask for the same.
`.trim();

/** What an operation can be about, in the order in which the document has them. */
export const tags = [
  { name: 'sessions', description: 'Signing in and out, and one’s own sessions.' },
  { name: 'me', description: 'Who calls; an operator’s own password and second factor.' },
  { name: 'operators', description: 'The people and programs that sign in with a password.' },
  {
    name: 'role bindings',
    description: 'Which operator has which role: everywhere, or in one group.',
  },
  { name: 'API keys', description: 'Credentials of programs, with roles of their own and an end.' },
  {
    name: 'groups',
    description:
      'Agents that share secrets, plugins, certificates and a keyring; what is in one group is not known in another.',
  },
  {
    name: 'secrets',
    description: 'Named values of a group, or references to where they are, with their versions.',
  },
  { name: 'leases', description: 'Grants of secrets that are lent out, each for a time.' },
  {
    name: 'plugin types',
    description:
      'JSON Schemas that plugins are held against, and which of their fields are encrypted.',
  },
  { name: 'plugins', description: 'Configurations of programs, in a group.' },
  {
    name: 'certificates',
    description: 'Certificate chains and their private keys, in a group; neither is ever shown.',
  },
  { name: 'enrollment tokens', description: 'What an agent shows once to join a group.' },
  { name: 'agents', description: 'What has enrolled, and what may not enrol again.' },
  {
    name: 'agent tokens',
    description: 'Credentials with which an agent opens sessions, together with its key.',
  },
  { name: 'tasks', description: 'Work that an agent is given.' },
  { name: 'links', description: 'Agents that listen, and that the control plane dials.' },
  {
    name: 'certificate authorities',
    description:
      'The control plane’s own CA, which certifies it and its agents, and its rotation: prepare, activate, retire.',
  },
  {
    name: 'audit',
    description:
      'Every act as an event in a hash chain, and the signed checkpoints that end parts of it.',
  },
  { name: 'system', description: 'The installation itself.' },
];
