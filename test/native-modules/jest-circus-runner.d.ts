/** What of the runner's contract is used here: jest-circus publishes no types of it. */
declare module 'jest-circus/runner' {
  import type { Config, Global } from '@jest/types';

  export type Runtime = {
    setGlobalsForRuntime(framework: Global.TestFrameworkGlobals): void;
    unstable_shouldLoadAsEsm(path: string): boolean;
    unstable_importModule(path: string): Promise<unknown>;
  };
  export type TestFile = [
    globalConfig: Config.GlobalConfig,
    config: Config.ProjectConfig,
    environment: object,
    runtime: Runtime,
    path: string,
    sendMessageToJest?: (...message: unknown[]) => unknown,
  ];

  const runner: { default(...file: TestFile): Promise<unknown> };
  export default runner;
}
