import { z } from 'zod';
import { signIn } from '../tools/demo/operator.ts';
import { createScene } from '../tools/demo/scene.ts';

/** A control plane as `npm start` runs it: a process of its own, its embedded Postgres, TLS on both listeners. */
export type Installation = {
  agentUrl: string;
  operatorUrl: string;
  caCertificate: string;
  /** Where it keeps its root key and its database. */
  dataDir: string;
  /** One call of the operator API, signed in; rejects unless it succeeds. */
  call(method: string, path: string, json?: unknown): Promise<unknown>;
  /** The value of one metric, as Prometheus would read it. */
  metric(name: string): Promise<number>;
  /** Kills the control plane and starts it again; resolves when it runs. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

export async function startInstallation(): Promise<Installation> {
  const scene = await createScene();
  try {
    let controlPlane = await scene.startControlPlane();
    const caCertificate = await scene.caCertificate();
    const operator = await signIn(scene.operatorUrl, caCertificate, scene.ownerPassword);
    return {
      agentUrl: scene.agentUrl,
      operatorUrl: scene.operatorUrl,
      caCertificate,
      dataDir: scene.controlPlaneFolder,
      call: operator.call,
      metric: (name) => readMetric(scene.metricsUrl, name),
      restart: async () => {
        controlPlane.kill('SIGKILL');
        await controlPlane.exited;
        controlPlane = await scene.startControlPlane();
      },
      stop: async () => {
        operator.close();
        const { code } = await controlPlane.stop();
        await scene.end();
        if (code !== 0) throw new Error(`the control plane ended with ${code}`);
      },
    };
  } catch (error) {
    await scene.end();
    throw error;
  }
}

async function readMetric(url: string, name: string): Promise<number> {
  const reply = await fetch(url);
  const line = (await reply.text()).split('\n').find((text) => text.startsWith(`${name} `));
  return z.coerce.number().parse(line?.split(' ')[1]);
}
