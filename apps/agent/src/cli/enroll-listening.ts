import { resolve } from 'node:path';
import { splitAddress } from '@sallyport/contract';
import { acceptPinnedCa } from '@sallyport/tls/accept-pinned-ca';
import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import { readAgentConfig } from '../config.ts';
import { enroll } from '../link/enroll.ts';
import { UNNAMED_CONTROL_PLANE } from '../link/link-to-control-plane.ts';
import {
  heard,
  listenForControlPlane,
  LINK_REFUSED,
  openListenParts,
  ownFingerprint,
  type ListenParts,
} from '../link/listen.ts';
import { listens, type ListenConfig } from '../listen-settings.ts';
import { assertPathFits } from '../local-api/claim-socket.ts';
import { silentLog, type Log, type LogFields } from '../log.ts';
import { refusalsTo } from '../refusals-log.ts';
import { StateDirectory } from '../state/state-directory.ts';
import type { CliContext } from './context.ts';
import {
  chooseName,
  readCaFile,
  readToken,
  tellEnrolled,
  unknownTrust,
  type EnrollFlags,
} from './enroll.ts';

const MAX_WAIT_SECONDS = 86_400;

/**
 * `enroll --listen`: joins a group over a connection that the control plane opens, for which it waits, once it
 * has said where and which certificate the link is to pin.
 */
export async function enrollListening(flags: EnrollFlags, context: CliContext): Promise<void> {
  const { config } = readAgentConfig(flags, context.env);
  assertPathFits(resolve(config.socket));
  const listen = listenConfig(config.listen);
  const controlPlane = (flags.url ?? UNNAMED_CONTROL_PLANE).replace(/\/+$/, '');
  const name = chooseName(flags.name, context.hostname);
  const waiting = new Wait(waitSeconds(flags), listen);
  const token = await readToken(flags, context);
  using state = await StateDirectory.open(config.stateDir);
  const parts = await openListenParts(listen, state, logForPeople(context));
  assertTrustGiven(flags, parts);
  tellWaiting(parts, waiting.seconds, context);
  const trustAnchor = (await trustAnchorsOf(flags, parts, waiting)).join('\n');
  const link = await listenForControlPlane(parts, { baseUrl: controlPlane, ca: trustAnchor });
  try {
    await waiting.for(link.arrived);
    const force = flags.force === true;
    const { agentId, group } = await enroll({
      state,
      link,
      controlPlane,
      trustAnchor,
      certified: false,
      token,
      name,
      force,
      clock: systemClock,
    });
    const report = { agentId, name, group: group.name, controlPlane, stateDir: state.path };
    tellEnrolled(report, flags, context);
  } finally {
    link.close();
  }
}

/** To standard error, so that the report alone is on standard output. */
function tellWaiting(parts: ListenParts, seconds: number, { stderr }: CliContext): void {
  stderr.write(
    `Waiting up to ${seconds} s at ${parts.listen.address} for the control plane to connect. Make a link there with this agent’s address and fingerprint:\n  ${ownFingerprint(parts)}\n`,
  );
}

/** What is refused while a person waits. */
function logForPeople({ stderr }: CliContext): Log {
  const tell = ({ detail }: LogFields, message: string) =>
    void stderr.write(`sallyport-agent: ${message}${detail === undefined ? '' : `: ${detail}`}\n`);
  return { ...silentLog, warn: tell, error: tell };
}

function listenConfig(settings: Parameters<typeof listens>[0]): ListenConfig {
  if (listens(settings)) return settings;
  throw new AgentError('usage.invalid', '--listen needs an address to listen on', {
    advice: 'set listen.address, or SALLYPORT_AGENT_LISTEN_ADDRESS, to host:port',
  });
}

function waitSeconds({ wait }: EnrollFlags): number {
  const seconds = Number(wait);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_WAIT_SECONDS) return seconds;
  throw new AgentError('usage.invalid', '--wait is not a number of seconds', {
    advice: `give from 1 to ${MAX_WAIT_SECONDS}`,
  });
}

/** Exactly one of the three says how the control plane is known. */
function assertTrustGiven({ fingerprint, caFile }: EnrollFlags, { stores }: ListenParts): void {
  const given = [fingerprint, caFile, stores.truststore].filter((each) => each !== undefined);
  if (given.length === 1) return;
  if (given.length === 0) throw unknownTrust();
  throw new AgentError('usage.invalid', 'it is said twice how to know the control plane', {
    advice: 'give one of --fingerprint and --ca-file, and none where listen.truststore.file is set',
  });
}

async function trustAnchorsOf(
  { fingerprint, caFile }: EnrollFlags,
  { listen, stores, own, log }: ListenParts,
  waiting: Wait,
): Promise<readonly string[]> {
  if (stores.truststore !== undefined) return stores.truststore;
  if (caFile !== undefined) return [await readCaFile(caFile)];
  const { chain: cert, key } = own();
  const pinned = await heard(listen, () =>
    waiting.until((signal) =>
      acceptPinnedCa(fingerprint ?? '', {
        ...splitAddress(listen.address),
        identity: { cert, key },
        tls: listen.tls,
        signal,
        onRefused: refusalsTo(log, LINK_REFUSED),
      }),
    ),
  );
  return [pinned];
}

/** How long the whole of an enrolment waits for the control plane. */
class Wait {
  readonly seconds: number;
  readonly #listen: ListenConfig;
  readonly #deadlineMs: number;

  constructor(seconds: number, listen: ListenConfig) {
    this.seconds = seconds;
    this.#listen = listen;
    this.#deadlineMs = performance.now() + seconds * 1000;
  }

  for<Value>(awaited: Promise<Value>): Promise<Value> {
    return this.until(
      (signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
          awaited.then(resolve, reject);
        }),
    );
  }

  /** @throws AgentError `enroll.not_dialled` when the time is over */
  async until<Value>(begin: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
    const ending = new AbortController();
    const leftMs = Math.max(0, this.#deadlineMs - performance.now());
    const timer = setTimeout(() => ending.abort(this.#overdue()), leftMs);
    try {
      return await begin(ending.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #overdue(): AgentError {
    return new AgentError(
      'enroll.not_dialled',
      `the control plane has not connected to ${this.#listen.address} within ${this.seconds} s`,
      {
        advice: 'see there what its link says, check the firewall, and run the command again',
        retryable: true,
      },
    );
  }
}
