import { pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { createdEnrollmentToken, type EnrollBody } from '@sallyport/contract';
import { TOKEN_HASH_ITERATIONS } from '@sallyport/crypto/token-hash';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';
import { HttpsLink } from '@sallyport/tls/https-link';
import { monotonicMs } from './clock.ts';
import { enrolmentOf, newKeys, register } from './enrol.ts';
import { startInstallation, type Installation } from './installation.ts';
import { rawSignings } from './raw-signing.ts';
import { atLeast, describeMachine, type BenchResult } from './result.ts';

const ROUNDS = 5;
/** Agents that enrol at a time. */
const CLIENTS = 8;
/** Certificates for as many agents as there are tokens, and this many times more: no hash stands before each. */
const MORE_BY_CSR = 10;
const derive = promisify(pbkdf2);

type Rates = { byToken: number; hashes: number; byCsr: number; signings: number };

/**
 * Enrols agents, each with a token of its own, which is hashed, beside raw PBKDF2 on as many threads (one); and with
 * one token for all, each with a certificate, beside the signature and the verification that one takes. In turns.
 */
export async function enroll(size: number, say: (line: string) => void): Promise<BenchResult> {
  say('starting a control plane');
  const installation = await startInstallation();
  const { agentUrl, caCertificate } = installation;
  const link = new HttpsLink({ baseUrl: agentUrl, ca: caCertificate });
  try {
    const rates = await takeTurns(size, installation, link, say);
    return resultOf(size, rates);
  } finally {
    link.close();
    await installation.stop();
  }
}

async function takeTurns(
  size: number,
  { call }: Installation,
  link: HttpsLink,
  say: (line: string) => void,
): Promise<Rates> {
  await call('POST', '/groups', { name: 'bench' });
  const tokenFor = async (uses: number) =>
    createdEnrollmentToken.parse(await call('POST', '/groups/bench/enrollment-tokens', { uses }))
      .token;
  const sign = await rawSignings();
  const seconds = { byToken: 0, hashes: 0, byCsr: 0, signings: 0 };
  const share = Math.max(1, Math.round(size / ROUNDS));
  const shareByCsr = share * MORE_BY_CSR;
  for (let round = 0; round < ROUNDS; round += 1) {
    const tokens: string[] = [];
    for (let index = 0; index < share; index += 1) tokens.push(await tokenFor(1));
    const bodies = await Promise.all(tokens.map((token) => bodyOf(token)));
    seconds.byToken += await timed(() => enrolAll(link, bodies));
    seconds.hashes += await timed(() => hashAll(tokens));
    const shared = await tokenFor(shareByCsr + 1);
    // Hashed once, and remembered.
    await register(link, await bodyOf(shared));
    const certified = await Promise.all(
      Array.from({ length: shareByCsr }, async () =>
        bodyOf(shared, (await createCertificateRequest()).csr),
      ),
    );
    seconds.byCsr += await timed(() => enrolAll(link, certified));
    seconds.signings += await timed(async () => {
      for (let index = 0; index < shareByCsr; index += 1) sign();
    });
    say(`round ${round + 1} of ${ROUNDS}`);
  }
  return {
    byToken: (ROUNDS * share) / seconds.byToken,
    hashes: (ROUNDS * share) / seconds.hashes,
    byCsr: (ROUNDS * shareByCsr) / seconds.byCsr,
    signings: (ROUNDS * shareByCsr) / seconds.signings,
  };
}

async function bodyOf(token: string, csr?: string): Promise<EnrollBody> {
  const what = { name: 'agent', token, ...(csr === undefined ? {} : { csr }) };
  return enrolmentOf(await newKeys(), what);
}

async function enrolAll(link: HttpsLink, bodies: readonly EnrollBody[]): Promise<void> {
  let next = 0;
  const client = async () => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++])
      await register(link, body);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

/** The yardstick of a token: what its check is at its heart. */
async function hashAll(tokens: readonly string[]): Promise<void> {
  for (const token of tokens)
    await derive(token, randomBytes(16), TOKEN_HASH_ITERATIONS, 64, 'sha512');
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = monotonicMs();
  await work();
  return (monotonicMs() - startedAt) / 1000;
}

function resultOf(size: number, { byToken, hashes, byCsr, signings }: Rates): BenchResult {
  return {
    benchmark: `enrolments of ${size} agents with a token each, and of ${size * MORE_BY_CSR} with a certificate`,
    machine: describeMachine(),
    samples: size * (1 + MORE_BY_CSR),
    goals: [
      atLeast(
        'by token',
        { value: byToken, unit: '/s', yardstick: hashes },
        Math.round(hashes * 90) / 100,
      ),
      atLeast('by CSR', { value: byCsr, unit: '/s', yardstick: signings }, 100),
    ],
  };
}
