/** A TCP proxy on 127.0.0.1 that stands between two real processes. */
export type TcpGate = AsyncDisposable & {
  port: number;
  /** Ends every connection at once and refuses new ones. */
  cut(): Promise<void>;
  /** Keeps connections open and carries no more bytes, as a partition does. */
  freeze(): void;
  /** Undoes `cut` and `freeze`; frozen bytes flow on. */
  restore(): Promise<void>;
  /** Holds every chunk back for this long, in both directions. */
  delay(ms: number): void;
  close(): Promise<void>;
};

export async function startTcpGate(target: { host?: string; port: number }): Promise<TcpGate> {
  throw new Error(`not built yet: ${target.port}`);
}
