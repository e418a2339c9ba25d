import type { BackendId } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { isOnCpu } from './binaries.ts';
import { measuredThreads, type Way } from './measurements.ts';
import type { PlanInput } from './plan-input.ts';

/** Decoding is bound by memory: more threads than this seldom help, and fight with the rest of the device. */
const MOST_USUAL_DECODE_THREADS = 4;

/** Thread counts a way is offered with, besides those that were measured: each one costs a calibration. */
const MOST_OPTIONS = 4;

/**
 * Thread counts that a way to run is offered with: the usual one first, then all cores, half of them, two, one, and whatever
 * was measured here. Only the usual one is chosen unmeasured. On a GPU, and where the user set the number, there is one.
 */
export function threadOptions(way: Omit<Way, 'threads'>, input: PlanInput): readonly number[] {
  // LiteRT's WebAssembly runs on one, whatever it is asked for.
  if (way.provider === 'wasm') return [1];
  const usual = usualThreads(way.backend, input);
  if (input.settings.threads > 0) return [usual];
  const measured = measuredThreads(way, input).filter((threads) => threads <= input.device.cpu.logicalCores);
  const all = usableThreads(input.device);
  const worthTrying = isOnCpu(way.provider) ? [all, Math.floor(all / 2), 2, 1].filter((threads) => threads >= 1 && threads <= all) : [];
  return [...new Set([...[...new Set([usual, ...worthTrying])].slice(0, MOST_OPTIONS), ...measured])];
}

/**
 * The number of threads that nothing needs to be known for: the user's, as far as the machine has cores, or all fast cores, for a
 * decoder at most four.
 */
export function usualThreads(backend: BackendId, { device, settings }: PlanInput): number {
  if (settings.threads > 0) return Math.min(settings.threads, device.cpu.logicalCores);
  // Work is dealt out evenly, so every slow core is waited for.
  const fast = Math.min(usableThreads(device), device.cpu.performanceCores ?? Number.POSITIVE_INFINITY);
  return Math.max(1, backend === 'llama' ? Math.min(fast, MOST_USUAL_DECODE_THREADS) : fast);
}

/** Whole cores this process may use; two threads of one core do not help matrix kernels. */
function usableThreads({ cpu }: DeviceProfile): number {
  return Math.max(1, Math.floor(Math.min(cpu.usableCores, cpu.physicalCores)));
}
