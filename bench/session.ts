import type { Identity } from '@sallyport/agent/src/state/identity.ts';
import {
  ASSERTION_GRANT,
  createdEnrollmentToken,
  PROTOCOL,
  sessionReply,
} from '@sallyport/contract';
import { signAssertion } from '@sallyport/crypto/assertion';
import { signDpopProof } from '@sallyport/crypto/dpop';
import { HttpsLink } from '@sallyport/tls/https-link';
import { startBare, timeCalls, type Call } from './bare-reply.ts';
import { enrolAgents } from './enrol.ts';
import { startInstallation, type Installation } from './installation.ts';
import { atLeast, describeMachine, type BenchResult } from './result.ts';

const AGENTS = 32;
const ROUNDS = 5;
/** Renewals a second. */
const GOAL = 2_000;

/** Renewals of open sessions over HTTPS, beside a bare Fastify reply of as many bytes, in rounds that take turns. */
export async function session(size: number, say: (line: string) => void): Promise<BenchResult> {
  say('starting a control plane');
  const installation = await startInstallation();
  try {
    const agents = await openSessions(installation);
    const bare = await startBare(JSON.stringify(await agents[0]?.renew()));
    try {
      return resultOf(size, await timeRounds(size, { agents, bare: bare.call }, say));
    } finally {
      await bare.stop();
      for (const { link } of agents) link.close();
    }
  } finally {
    await installation.stop();
  }
}

type Renewing = { link: HttpsLink; renew(): Promise<unknown> };

async function openSessions({ call, agentUrl, caCertificate }: Installation): Promise<Renewing[]> {
  await call('POST', '/groups', { name: 'bench' });
  const { token } = createdEnrollmentToken.parse(
    await call('POST', '/groups/bench/enrollment-tokens', { uses: AGENTS }),
  );
  const enrolment = { url: agentUrl, ca: caCertificate, token, namePrefix: 'agent' };
  const identities = await enrolAgents(enrolment, AGENTS);
  return Promise.all(
    identities.map((identity) =>
      opened(identity, new HttpsLink({ baseUrl: agentUrl, ca: caCertificate })),
    ),
  );
}

async function opened(identity: Identity, link: HttpsLink): Promise<Renewing> {
  const { agentId, controlPlane, signingKey } = identity;
  const path = '/agent/v1/session';
  const assertion = await signAssertion(signingKey, agentId, Date.now());
  const json = { protocol: PROTOCOL, grantType: ASSERTION_GRANT, assertion };
  let { accessToken } = await replyTo(link.request('POST', path, { json }));
  return {
    link,
    renew: async () => {
      const url = `${controlPlane}${path}/renew`;
      const dpop = signDpopProof(signingKey, { method: 'POST', url, accessToken }, Date.now());
      const headers = { authorization: `DPoP ${accessToken}`, dpop };
      const renewed = await replyTo(
        link.request('POST', `${path}/renew`, { json: { protocol: PROTOCOL }, headers }),
      );
      accessToken = renewed.accessToken;
      return renewed;
    },
  };
}

async function replyTo(asked: ReturnType<HttpsLink['request']>) {
  const { status, body } = await asked;
  if (status !== 200) throw new Error(`a session was answered ${status}`);
  return sessionReply.parse(JSON.parse(body.toString('utf8')));
}

async function timeRounds(
  size: number,
  { agents, bare }: { agents: Renewing[]; bare: Call },
  say: (line: string) => void,
): Promise<{ renewed: number; plain: number }> {
  const renewing: Call = async (client) => agents[client]?.renew();
  let [seconds, bareSeconds] = [0, 0];
  // The first round is for warming up.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const took = await timeCalls(size, AGENTS, renewing);
    const tookBare = await timeCalls(size, AGENTS, bare);
    if (round === 0) continue;
    seconds += took;
    bareSeconds += tookBare;
    say(`${Math.round(size / took)} renewals/s, ${Math.round(size / tookBare)} bare replies/s`);
  }
  return { renewed: (ROUNDS * size) / seconds, plain: (ROUNDS * size) / bareSeconds };
}

function resultOf(
  size: number,
  { renewed, plain }: { renewed: number; plain: number },
): BenchResult {
  return {
    benchmark: `renewals of the sessions of ${AGENTS} agents`,
    machine: describeMachine(),
    samples: ROUNDS * size,
    goals: [atLeast('sessions renewed', { value: renewed, unit: '/s', yardstick: plain }, GOAL)],
  };
}
