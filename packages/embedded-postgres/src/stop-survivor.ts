import { preparePlace } from './place.ts';
import { findPostmaster } from './postmaster.ts';
import { stopServer } from './server-control.ts';

/** Ends the server that still runs in `directory`, if one does. The caller knows that its owner is dead. */
export async function stopSurvivor(directory: string): Promise<void> {
  const place = await preparePlace(directory);
  const ignore = () => {};
  if ((await findPostmaster(place, ignore)) !== undefined) await stopServer(place, ignore);
}
