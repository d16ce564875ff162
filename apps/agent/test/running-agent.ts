import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, type Enrolled, type TestDaemon } from './harness.ts';

/** A double with values, and an agent enrolled with it that runs and has them all. */
export type RunningAgent = {
  double: ControlPlaneDouble;
  enrolled: Enrolled;
  daemon: TestDaemon;
  /** Resolves once the agent has what the double holds now. */
  delivered(): Promise<unknown>;
  end(): Promise<void>;
};

export async function runningAgent(
  fill: (double: ControlPlaneDouble) => void,
  settings: Omit<Parameters<typeof startDaemon>[0], 'stateDir' | 'socket'> = {},
): Promise<RunningAgent> {
  const double = await ControlPlaneDouble.start();
  fill(double);
  const enrolled = await enrollWith(double);
  const daemon = await startDaemon({ ...enrolled, ...settings });
  const delivered = () => daemon.untilHealth(({ revision }) => revision === double.group.revision);
  await delivered();
  return {
    double,
    enrolled,
    daemon,
    delivered,
    end: async () => {
      await daemon.stop();
      await double.stop();
      await enrolled.home.remove();
    },
  };
}
