import { setFlagsFromString } from 'node:v8';
import { libc } from './libc.ts';

/**
 * Keeps what this process takes of its host near what it holds. A group that changes often, or programs that read
 * much, leave garbage, for which V8 and the allocator would otherwise keep room.
 */
export function keepMemorySmall(): void {
  // New objects get no more room than at the start: they die young here, each with its request.
  setFlagsFromString('--semi-space-growth-factor=1');
  // What has outlived that room and died is collected once it is a fifth of the heap, and not several times as much.
  setFlagsFromString('--heap-growing-percent=20');
  libc()?.returnFreed();
}
