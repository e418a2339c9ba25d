import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { EngineMemory, PlanSettings } from './plan-input.ts';

const MIB = 1024 * 1024;
const DEFAULT_SHARE = 0.6;

/**
 * Bytes a new engine may take.
 *
 * `available` is the smaller of MemAvailable and what the cgroup leaves. A reserve stays with the system:
 * the larger of 256 MiB and 10 %, but never more than a quarter, or a board with 512 MiB could run nothing. On top comes
 * the user's cap for all engines together, or 60 % of what is available. What loaded engines will still take is taken off.
 */
export function memoryBudget(device: DeviceProfile, settings: PlanSettings, engines: EngineMemory): number {
  const available = device.memory.availableBytes;
  const reserve = Math.min(Math.max(256 * MIB, available * 0.1), available * 0.25);
  const cap = settings.memoryBytes > 0 ? settings.memoryBytes - engines.residentBytes : available * DEFAULT_SHARE;
  return Math.max(0, Math.floor(Math.min(cap, available - reserve) - engines.expectedBytes));
}

/** Bytes of a discrete GPU that may be taken: all but the larger of 8 % and 300 MiB. */
export function videoMemoryBudget(memoryBytes: number): number {
  return Math.max(0, Math.floor(memoryBytes - Math.max(300 * MIB, memoryBytes * 0.08)));
}
