import { setFlagsFromString } from 'node:v8';

// The first import of the program: V8 does not give back the room that new objects once had, and the program's own
// modules, as they are evaluated, make more of them at once than it ever does later.

// New objects get no more room than at the start: they die young here, each with its request.
setFlagsFromString('--semi-space-growth-factor=1');
// What has outlived that room and died is collected once it is a fifth of the heap, and not several times as much.
setFlagsFromString('--heap-growing-percent=20');
