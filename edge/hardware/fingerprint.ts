import { createHash } from 'node:crypto';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';

const MEMORY_STEP_BYTES = 64 * 1024 * 1024;

/**
 * SHA-256 over the facts that change how fast a model runs: the key of stored measurements. What varies from minute to
 * minute (available memory, temperature, disk) and the evidence stay out; total memory is rounded because a kernel
 * update moves it by a few MiB.
 */
export function fingerprintOf(device: Omit<DeviceProfile, 'fingerprint'>): string {
  const { platform, board, cpu, memory, accelerators, libc } = device;
  const facts = [
    platform,
    board.kind,
    board.name,
    cpu.architecture,
    cpu.model,
    [...cpu.flags].sort(),
    cpu.logicalCores,
    cpu.physicalCores,
    cpu.usableCores,
    Math.round(memory.totalBytes / MEMORY_STEP_BYTES),
    memory.limitBytes ?? null,
    accelerators
      .map(({ kind, name, memoryBytes, unified, confidence }) => [kind, name, memoryBytes ?? null, unified, confidence].join())
      .sort(),
    libc.kind,
    libc.version,
  ];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}
