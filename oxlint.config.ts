import { boundaries } from './tools/boundaries.ts';

const generated = [
  '**/node_modules/**',
  'dist/**',
  '.tsbuild/**',
  'coverage/**',
  'apps/control-plane/src/platform/prisma-client/**',
];
const tests = ['**/test/**', '**/*.test.ts', 'packages/testkit/**'];
const entryFiles = ['**/main.ts', 'tools/**', 'bench/**'];
const toolConfig = [
  '*.config.ts',
  'test/global-*.ts',
  'test/no-leaks-environment.ts',
  'test/native-modules/runner.ts',
];

export default {
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'node', 'jest'],
  categories: { correctness: 'error' },
  options: { typeAware: true },
  ignorePatterns: generated,
  rules: {
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/no-unsafe-type-assertion': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/only-throw-error': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/unbound-method': 'off',
    'typescript/require-array-sort-compare': 'off',
    'eslint/eqeqeq': ['error', 'always', { null: 'ignore' }],
    'eslint/no-console': 'error',
    'eslint/max-lines': ['error', { max: 300 }],
    'eslint/max-lines-per-function': [
      'error',
      { max: 60, skipBlankLines: true, skipComments: true },
    ],
    'eslint/max-params': ['error', { max: 5 }],
    'import/no-default-export': 'error',
    'import/no-cycle': 'off',
    'node/no-process-env': 'error',
    // Spreading small lists keeps an option beside its value.
    'unicorn/no-useless-spread': 'off',
    'unicorn/filename-case': ['error', { case: 'kebabCase' }],
    'jest/expect-expect': 'off',
    'jest/no-conditional-expect': 'off',
    'jest/no-standalone-expect': 'off',
    'jest/require-to-throw-message': 'off',
    'jest/no-disabled-tests': 'error',
    'jest/no-focused-tests': 'error',
    'jest/no-restricted-jest-methods': [
      'error',
      {
        mock: 'Fakes keep state; module mocks only repeat the code.',
        unstable_mockModule: 'Fakes keep state; module mocks only repeat the code.',
        doMock: 'Fakes keep state; module mocks only repeat the code.',
        spyOn: 'Assert on what happened, not on what was called.',
      },
    ],
  },
  overrides: [
    ...boundaries,
    { files: ['packages/config/**'], rules: { 'node/no-process-env': 'off' } },
    { files: entryFiles, rules: { 'node/no-process-env': 'off', 'eslint/no-console': 'off' } },
    {
      files: tests,
      rules: {
        'node/no-process-env': 'off',
        'eslint/no-console': 'off',
        'eslint/max-lines-per-function': 'off',
      },
    },
    // Lists, not logic: route tables, the composition, command tables and the demo's story read top to bottom.
    {
      files: ['**/*.routes.ts', '**/compose.ts', '**/cli/program.ts', 'tools/demo/*.ts'],
      rules: { 'eslint/max-lines-per-function': 'off' },
    },
    // A list of routes or commands, and the one place that constructs, read best in one piece.
    {
      files: ['**/*.routes.ts', '**/compose.ts', '**/program.ts', 'tools/demo/**'],
      rules: { 'eslint/max-lines-per-function': 'off' },
    },
    { files: toolConfig, rules: { 'import/no-default-export': 'off' } },
  ],
};
