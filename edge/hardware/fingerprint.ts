import { createHash } from 'node:crypto';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';

const MEMORY_STEP_BYTES = 64 * 1024 * 1024;

/**
 * SHA-256 over the facts that change how fast a model runs: the key of stored measurements. What varies from minute to
 * minute (available memory, temperature, disk) and the evidence stay out; total memory is rounded because a kernel
 * update moves it by a few MiB. The power source stays out, the power mode does not: plugging in changes speed only by
 * changing the mode.
 */
export function fingerprintOf(device: Omit<DeviceProfile, 'fingerprint'>): string {
  const { platform, board, cpu, memory, accelerators, libc, power } = device;
  const facts = [
    platform,
    board.kind,
    board.name,
    cpu.architecture,
    cpu.model,
    [...cpu.flags].sort(),
    cpu.logicalCores,
    cpu.physicalCores,
    cpu.performanceCores ?? null,
    cpu.usableCores,
    Math.round(memory.totalBytes / MEMORY_STEP_BYTES),
    memory.limitBytes ?? null,
    accelerators.map((one) => [one.kind, one.name, one.memoryBytes, one.unified, one.confidence, one.driver, one.runtime].join()).sort(),
    power.mode ?? null,
    libc.kind,
    libc.version,
  ];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}
