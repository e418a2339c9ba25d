/** What a text can make the fake engine do, so that tests can meet the failures of native code with real processes. */
import { setTimeout as sleep } from 'node:timers/promises';

export const FAULTS = ['[crash]', '[hang]', '[stall]', '[slow]', '[leak]'] as const;
export type Fault = (typeof FAULTS)[number];

/** Time that each step takes under `[slow]`, in milliseconds. */
export const SLOW_STEP_MS = 40;

/** What each step keeps for good under `[leak]`, in bytes. */
export const LEAK_BYTES = 64 * 2 ** 20;
const leaked: Buffer[] = [];

/** The faults a text asks for. */
export function faultsIn(text: string): readonly Fault[] {
  return FAULTS.filter((fault) => text.includes(fault));
}

/** Commits the fault at the place where an engine would do a step of native work. */
export async function commit(faults: readonly Fault[]): Promise<void> {
  for (const fault of faults) {
    switch (fault) {
      case '[crash]':
        process.kill(process.pid, 'SIGKILL');
        break;
      case '[hang]':
        // Blocks the event loop as a native call would: no heartbeat, no cancellation.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        break;
      case '[stall]':
        // Alive, but deaf to cancellation.
        await new Promise<never>(() => undefined);
        break;
      case '[slow]':
        await sleep(SLOW_STEP_MS);
        break;
      case '[leak]':
        // Filled, so that the pages are really taken.
        leaked.push(Buffer.alloc(LEAK_BYTES, 1));
        break;
    }
  }
}
