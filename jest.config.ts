import { availableParallelism } from 'node:os';
import type { Config } from 'jest';

/** Node strips the types itself, so nothing is transformed. */
const nativeModules = {
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: '<rootDir>/test/no-leaks-environment.ts',
  testRunner: '<rootDir>/test/native-modules/runner.ts',
  moduleFileExtensions: ['ts', 'mjs', 'cjs', 'js', 'json', 'node'],
};

/** Real Postgres, and Redis where there is one, started once for the run. */
const withServers = {
  ...nativeModules,
  globalSetup: '<rootDir>/test/global-setup.ts',
  globalTeardown: '<rootDir>/test/global-teardown.ts',
};

export default {
  // One more than the cores: tests that hash or wait for a process leave a core idle now and then.
  maxWorkers: Math.min(availableParallelism() + 1, 5),
  // A worker keeps what its test files have in their variables, and would look through more and more of it for garbage.
  workerIdleMemoryLimit: '500MB',
  testTimeout: 60_000,
  projects: [
    {
      ...nativeModules,
      displayName: 'unit',
      globalSetup: '<rootDir>/test/global-programs.ts',
      testMatch: ['<rootDir>/{packages,apps,bench,tools}/**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', '<rootDir>/apps/control-plane/test/'],
    },
    {
      ...withServers,
      displayName: 'control-plane',
      testMatch: ['<rootDir>/apps/control-plane/test/**/*.test.ts'],
    },
    { ...withServers, displayName: 'stories', testMatch: ['<rootDir>/test/**/*.test.ts'] },
  ],
} satisfies Config;
