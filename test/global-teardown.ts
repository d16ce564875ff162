import { tearDown } from './servers.ts';

/** Stops what the global set-up started. */
export default tearDown;
