import { action } from '../context.ts';
import { runChecks } from '../doctor-checks.ts';
import { paint, print, printJson } from '../terminal.ts';

const MARKS = { ok: ['green', 'ok  '], warn: ['yellow', 'warn'], fail: ['red', 'FAIL'] } as const;

/** `nearside doctor`: fails when a check does. */
export const doctor = action(async ({ config, log, json }) => {
  const findings = await runChecks(config, log);
  const healthy = findings.every((finding) => finding.level !== 'fail');
  if (json) printJson({ healthy, node: process.versions.node, findings });
  else {
    for (const { check, level, found, hint } of findings) {
      const [colour, mark] = MARKS[level];
      print(`${paint(colour, mark)}  ${check.padEnd(14)} ${found}`);
      if (hint) print(`      ${' '.repeat(14)} ${hint}`);
    }
  }
  if (!healthy) process.exitCode = 1;
});
