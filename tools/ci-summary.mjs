// `node tools/ci-summary.mjs JEST.json CHECK.json`: one line with the counts of both, exit code 1 when
// anything failed. Runs on any Node from 20 on, since a set-up that failed leaves no other.
import { readFileSync } from 'node:fs';

/** A report that is missing or broken means that the run itself failed: one failure. */
function countsIn(file, counts) {
  try {
    return counts(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const [jestFile, checkFile] = process.argv.slice(2);
const tests = countsIn(jestFile, (report) => {
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  // Jest also fails a run without a failing test, for example when a global set-up step threw.
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && (report.success !== true || report.numPassedTests === 0) ? 1 : failed,
  };
});
const checks = countsIn(checkFile, ({ passed, failed }) => ({ passed, failed }));

console.log(
  `tests: ${tests.passed} right, ${tests.failed} wrong; checks: ${checks.passed} right, ${checks.failed} wrong`,
);
const failed = tests.failed + checks.failed;
console.log(`${tests.passed + checks.passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
