// The entry of every npm script: makes the checkout ready, then hands over to the pinned Node 24.
// Plain JavaScript without dependencies, because it runs on the system's own Node (20 or later) before anything is installed.
//
//   node scripts/bootstrap/main.mjs start|test|check|nearside [arguments]
import { ensureDependencies } from './dependencies.mjs';
import { ensureCudaPackages } from './gpu.mjs';
import { runPinned } from './run.mjs';
import { fail } from './say.mjs';
import { ensureWebApp } from './web.mjs';

const [command = '', ...rest] = process.argv.slice(2);
const CLI = 'apps/cli/main.ts';

async function main() {
  switch (command) {
    case 'start':
      await ensureDependencies({ dev: false });
      await ensureCudaPackages();
      await ensureWebApp();
      return runPinned([CLI, 'start', ...rest]);
    case 'nearside':
      await ensureDependencies({ dev: false });
      return runPinned([CLI, ...rest]);
    case 'check':
      await ensureDependencies({ dev: true });
      return firstFailure([
        ['node_modules/@biomejs/biome/bin/biome', 'check'],
        ['node_modules/typescript/bin/tsc', '--noEmit'],
        ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'apps/web'],
      ]);
    case 'test':
      await ensureDependencies({ dev: true });
      await ensureWebApp();
      return firstFailure([
        [CLI, 'pull', '--defaults'],
        ['node_modules/vitest/vitest.mjs', 'run', ...rest],
      ]);
    default:
      fail(`unknown command "${command}": expected start, test, check or nearside`);
      return 2;
  }
}

/** Runs programs one after the other on the pinned Node; stops at the first that fails. */
async function firstFailure(programs) {
  for (const program of programs) {
    const code = await runPinned(program);
    if (code !== 0) return code;
  }
  return 0;
}

process.exitCode = await main();
