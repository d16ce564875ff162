import { expect, test } from '@jest/globals';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../src/agent.ts';
import { systemClock } from '../src/clock.ts';
import { silentLog } from '../src/log.ts';
import { DurableStore } from '../src/state/durable-store.ts';
import { importIdentity } from '../src/state/identity.ts';
import { StateDirectory } from '../src/state/state-directory.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, until } from './harness.ts';

test('on a disk that hangs, new revisions are applied and acknowledged as ever, and the newest is kept in the end', async () => {
  const double = await ControlPlaneDouble.start();
  const enrolled = await enrollWith(double);
  using state = await StateDirectory.open(enrolled.stateDir);
  const write = state.write.bind(state);
  const disk = Promise.withResolvers<void>();
  const written: string[] = [];
  state.write = async (name, data) => {
    await disk.promise;
    written.push(name);
    await write(name, data);
  };
  const identity = await importIdentity(enrolled.identity);
  const durableStore = new DurableStore(state, identity.highWaterKey, systemClock, silentLog);
  const link = new HttpsLink({ baseUrl: double.url, ca: double.ca });
  const agent = new Agent({
    identity,
    link,
    durableStore,
    // What is waited for is short here.
    clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal) },
  });
  try {
    agent.start();
    for (const value of ['first', 'second', 'third', 'fourth']) {
      double.putSecret('db/password', value);
      await until(() => double.lastPull()?.revision === double.group.revision);
    }
    expect(durableStore.state().revision).toBeUndefined();
    disk.resolve();
    await durableStore.settled();
    expect(durableStore.state().revision).toBe(double.group.revision);
    // The first write had begun when the disk hung; of the others one is left.
    expect(written.filter((name) => name === 'bundle.json')).toHaveLength(2);
  } finally {
    disk.resolve();
    await agent.stop();
    await double.stop();
    await enrolled.home.remove();
  }
});
