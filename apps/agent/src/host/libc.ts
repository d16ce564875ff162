import type * as nodeFfi from 'node:ffi';
import { closeSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

type Ffi = typeof nodeFfi;

/** The program that made a connection, as the kernel knew it when it did; `pid` is 0 where that is of another namespace. */
export type Peer = { pid: number; uid: number; gid: number };

/** What the agent asks of the host that Node has no call for. */
export type Libc = {
  /** Who is at the other end of a unix socket; undefined where that is not told. */
  peerOf(descriptor: number): Peer | undefined;
  /** Whether the host answers that truthfully of this process itself. */
  tellsPeers(): boolean;
  /** From now on whoever writes into the other end of a unix socket is told that nobody reads, as of a pipe. Whether that is so. */
  endReading(descriptor: number): boolean;
  /** From now on no core of this process is written, and only root reads its memory. Whether that is so. */
  forbidDumps(): boolean;
  areDumpsForbidden(): boolean;
  /** A child that has ended and that nobody has asked about; 0 where there is none. It stays one until `reap`. */
  endedChild(): number;
  /** Takes note of how a child has ended: it is none any more. */
  reap(pid: number): void;
  /** From now on memory that is freed goes back to the host soon, at the price of asking for it again. */
  returnFreed(): void;
  /**
   * A page that is never swapped out, dumped or handed to a child, between two that nobody can touch; it stays
   * until the process ends. Undefined where the host refuses it.
   */
  lockedPage(): Buffer | undefined;
};

/** What follows is from the headers of Linux (socket, mman, prctl, resource, wait), and the same on these processors. */
const PROCESSORS: readonly string[] = ['x64', 'arm64'];
const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0o2_000_001;
const SHUT_RD = 0;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_BYTES = 12;
const PROT_NONE = 0;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const MADV_DONTFORK = 10;
const MADV_DONTDUMP = 16;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;
const RLIMIT_BYTES = 16;
const P_ALL = 0;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
const SIGINFO_BYTES = 128;
const SI_PID_OFFSET = 16;

const signatures = {
  getpagesize: { arguments: [], return: 'int32' },
  getsockopt: { arguments: ['int32', 'int32', 'int32', 'buffer', 'buffer'], return: 'int32' },
  madvise: { arguments: ['pointer', 'uint64', 'int32'], return: 'int32' },
  mlock: { arguments: ['pointer', 'uint64'], return: 'int32' },
  mmap: {
    arguments: ['pointer', 'uint64', 'int32', 'int32', 'int32', 'int64'],
    return: 'pointer',
  },
  mprotect: { arguments: ['pointer', 'uint64', 'int32'], return: 'int32' },
  prctl: { arguments: ['int32', 'uint64', 'uint64', 'uint64', 'uint64'], return: 'int32' },
  setrlimit: { arguments: ['int32', 'buffer'], return: 'int32' },
  shutdown: { arguments: ['int32', 'int32'], return: 'int32' },
  socketpair: { arguments: ['int32', 'int32', 'int32', 'buffer'], return: 'int32' },
  waitid: { arguments: ['int32', 'uint32', 'buffer', 'int32'], return: 'int32' },
} as const;

const open = (ffi: Ffi) => ffi.dlopen(null, signatures).functions;
type Native = ReturnType<typeof open>;

let opened: { libc: Libc | undefined } | undefined;

/** The C library of this process; undefined where Node cannot call it (`node:ffi`), or the host is not known here. */
export function libc(): Libc | undefined {
  return (opened ??= { libc: openLibc() }).libc;
}

function openLibc(): Libc | undefined {
  if (process.platform !== 'linux' || !PROCESSORS.includes(process.arch)) return undefined;
  const ffi = loadFfi();
  if (ffi === undefined) return undefined;
  try {
    return over(ffi, open(ffi));
  } catch {
    // Node's permission model forbids it, or this C library lacks one of them.
    return undefined;
  }
}

/** Loading it warns that it is experimental, which is nothing that an operator could act upon. */
function loadFfi(): Ffi | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:ffi');
  } finally {
    process.emitWarning = emitWarning;
  }
}

function over(ffi: Ffi, native: Native): Libc {
  const areDumpsForbidden = () => native.prctl(PR_GET_DUMPABLE, 0n, 0n, 0n, 0n) === 0;
  const peerOf = peersBy(native);
  return {
    peerOf,
    tellsPeers: () => tellsPeers(native, peerOf),
    endReading: (descriptor) => native.shutdown(descriptor, SHUT_RD) === 0,
    forbidDumps: () => {
      native.setrlimit(RLIMIT_CORE, Buffer.alloc(RLIMIT_BYTES));
      native.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n);
      return areDumpsForbidden();
    },
    areDumpsForbidden,
    endedChild: () => {
      const info = Buffer.alloc(SIGINFO_BYTES);
      native.waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT);
      return info.readInt32LE(SI_PID_OFFSET);
    },
    reap: (pid) => {
      native.waitid(P_PID, pid, Buffer.alloc(SIGINFO_BYTES), WEXITED | WNOHANG);
    },
    returnFreed: () => returnFreed(ffi),
    lockedPage: () => lockedPage(ffi, native),
  };
}

/** Two buffers for all calls: making them costs more than the call. */
function peersBy({ getsockopt }: Native): Libc['peerOf'] {
  const credentials = Buffer.alloc(UCRED_BYTES);
  const length = Buffer.alloc(4);
  return (descriptor) => {
    length.writeInt32LE(UCRED_BYTES);
    const status = getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, credentials, length);
    if (status !== 0 || length.readInt32LE() !== UCRED_BYTES) return undefined;
    const pid = credentials.readInt32LE(0);
    return { pid, uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) };
  };
}

/** Asked of a pair of sockets whose both ends are this process: a host that only resembles Linux may answer anything. */
function tellsPeers(native: Native, peerOf: Libc['peerOf']): boolean {
  const pair = Buffer.alloc(8);
  if (native.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair) !== 0) return false;
  const ends = [pair.readInt32LE(0), pair.readInt32LE(4)];
  try {
    const own = { pid: process.pid, uid: process.geteuid?.(), gid: process.getegid?.() };
    return ends.every((end) => isDeepStrictEqual(peerOf(end), own));
  } finally {
    for (const end of ends) closeSync(end);
  }
}

/** Not in every C library. */
const tuning = { mallopt: { arguments: ['int32', 'int32'], return: 'int32' } } as const;
/** What of glibc's `mallopt` (malloc.h) is set, and to what, in bytes: left alone it raises both with what is freed. */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;
const KEPT_BYTES = 256 * 1024;

function returnFreed(ffi: Ffi): void {
  try {
    const { mallopt } = ffi.dlopen(null, tuning).functions;
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
  } catch {
    // Another C library, such as musl, has no such settings.
  }
}

function lockedPage(ffi: Ffi, native: Native): Buffer | undefined {
  const bytes = BigInt(native.getpagesize());
  const region = native.mmap(0n, 3n * bytes, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0n);
  if (region === MAP_FAILED) return undefined;
  const page = region + bytes;
  const isGuarded = [
    native.mprotect(page, bytes, PROT_READ_WRITE),
    native.madvise(page, bytes, MADV_DONTDUMP),
    native.madvise(page, bytes, MADV_DONTFORK),
    native.mlock(page, bytes),
  ].every((status) => status === 0);
  return isGuarded ? ffi.toBuffer(page, Number(bytes), false) : undefined;
}
