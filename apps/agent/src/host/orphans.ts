import { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { libc } from './libc.ts';

/**
 * From now on a process whose parent has ended, and that the kernel has made a child of this one, is reaped when it
 * ends: for PID 1 of a container, whose children such processes become. Those that Node started are left to Node,
 * which would wait for ever for the end of one that was reaped here. Where Node cannot call the C library nothing is
 * reaped.
 */
export function reapOrphans(): void {
  const host = libc();
  if (host === undefined) return;
  const own = new Set<ChildProcess>();
  const runs = (ended: number) =>
    [...own].some(
      ({ pid, exitCode, signalCode }) => pid === ended && exitCode === null && signalCode === null,
    );
  const reap = () => {
    for (let pid = host.endedChild(); pid !== 0 && !runs(pid); pid = host.endedChild())
      host.reap(pid);
  };
  subscribe('child_process', (message) => {
    const child = startedIn(message);
    own.add(child);
    // The kernel tells of the children in an order of its own: one of Node's may have stood before others.
    child.once('exit', reap).once('close', () => own.delete(child));
  });
  process.on('SIGCHLD', reap);
}

function startedIn(message: unknown): ChildProcess {
  if (message instanceof Object && 'process' in message && message.process instanceof ChildProcess)
    return message.process;
  throw new Error('Node tells of a process that it starts in another way');
}
