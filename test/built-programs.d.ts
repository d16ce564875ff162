/** The agent and the CLI as they are shipped, one file each: a story starts a hundred, in a third of the time. */
export declare function builtProgram(name: 'agent' | 'cli'): string;
/** Builds both from the sources as they are, once for all kinds of tests in a run. */
export default function buildPrograms(): Promise<void>;
