const stops: (() => Promise<void>)[] = [];

/** Remembers how to stop a server when the run ends. */
export function onTeardown(stop: () => Promise<void>): void {
  stops.push(stop);
}

/** Stops everything, last started first. */
export async function tearDown(): Promise<void> {
  for (const stop of stops.splice(0).toReversed()) await stop();
}
