import { buildPrograms } from '@sallyport/testkit/built-programs';

/** For tests that start the agent or the CLI as a process, and need no server. */
export default buildPrograms;
