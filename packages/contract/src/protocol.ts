/**
 * The agent protocol, one increasing integer. A control plane serves every number from
 * `OLDEST_PROTOCOL` to `PROTOCOL`; another number is answered with `protocol.unsupported`.
 *
 * - 1 (2026-11-24): enroll, session by key assertion with DPoP, pull, bundle, tasks.
 * - 2 (2026-11-25): a bundle may hold certificates. An agent of protocol 1 is served as before in a group
 *   without any, and refused with `protocol.unsupported` in a group that has one.
 * - 3 (2026-11-29): a session may be opened with an agent token, and renewed while it is open; it names the
 *   generation of the agent's state, by which a copy of it is found out.
 * - 4 (2026-11-29): an agent may have a client certificate, asked for by a CSR, and open sessions with it; a
 *   session's reply names the CAs to trust from then on, and the group that the agent is in: one of an older
 *   protocol that is moved to another group is refused with `protocol.unsupported`.
 * - 5 (2026-11-29): a bundle may hold references, which the agent resolves: one of an older protocol is refused with
 *   `protocol.unsupported` in a group that has one. An agent may take leases; its pull names those it holds, and is
 *   answered which of them have ended. It reports its own audit events.
 *
 * A new number needs `test/fixtures/protocol-<the one before>-replies.json`: the JSON Schemas (`z.toJSONSchema`) of what
 * agents were sent until then.
 */
export const PROTOCOL = 5;
export const OLDEST_PROTOCOL = 1;

/** The oldest agent protocol that reads `trustAnchors` and `group` in the reply of a session. */
export const NAMED_TRUST_PROTOCOL = 4;

/** The longest wait an agent may ask of one pull, in seconds. */
export const MAX_PULL_WAIT_SECONDS = 55;

/** A bundle whose parts together are longer than this (bytes) is fetched by its own request. */
export const MAX_INLINE_BUNDLE_BYTES = 64 * 1024;
