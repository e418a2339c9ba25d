import type { Accelerator, CpuProfile, DeviceProfile, MemoryProfile } from '#edge/contracts/hardware.ts';
import { deepFreeze } from '#edge/core/freeze.ts';
import { probeApple } from './apple.ts';
import { probeBoard } from './board.ts';
import { probeCpu } from './cpu.ts';
import { probeEdgeTpu } from './edge-tpu.ts';
import type { Finding } from './evidence.ts';
import { evidenceOf } from './evidence.ts';
import { fingerprintOf } from './fingerprint.ts';
import { probeJetson } from './jetson.ts';
import { probeLibc } from './libc.ts';
import { probeMemory } from './memory.ts';
import { probeNvidia } from './nvidia.ts';
import { probePower } from './power.ts';
import { type ProbeIo, systemIo } from './probe-io.ts';
import { probeThermal } from './thermal.ts';
import { probeUsableCores } from './usable-cores.ts';
import { probeVulkan } from './vulkan.ts';
import { probeWindows } from './windows.ts';

const ACCELERATOR_PROBES = {
  nvidia: probeNvidia,
  jetson: probeJetson,
  apple: probeApple,
  vulkan: probeVulkan,
  'edge-tpu': probeEdgeTpu,
  windows: probeWindows,
};

/** A file system or a driver that does not answer must not keep the device from starting. */
const PROBE_DEADLINE_MS = 10_000;

/**
 * Finds out what this device is. Probes run side by side; one that fails leaves its facts at what Node.js knows, or
 * absent, with the reason in the log at debug. Never throws.
 * @param io the machine, or a recording of one
 */
export async function probeDevice(io: ProbeIo = systemIo()): Promise<DeviceProfile> {
  const { system } = io;
  const [cpu, memory, board, accelerators, libc, disk, power, thermal] = await Promise.all([
    guard(io, 'cpu', probeWholeCpu, cpuOfNode(io)),
    guard(io, 'memory', probeMemory, memoryOfNode(io)),
    guard(io, 'board', probeBoard, { kind: 'generic', name: '' } as const),
    probeAccelerators(io),
    guard(io, 'libc', probeLibc, { kind: 'none', version: '' } as const),
    guard(io, 'disk', probeDisk, { freeBytes: 0, totalBytes: 0 }),
    guard(io, 'power', probePower, { source: 'unknown' } as const),
    guard(io, 'thermal', probeThermal, { throttled: false }),
  ]);
  const findings = [board, cpu, memory, libc, disk, power, thermal];
  const profile = {
    platform: platformOf(system.platform),
    board: board.value,
    cpu: cpu.value,
    memory: memory.value,
    accelerators,
    libc: libc.value,
    disk: disk.value,
    power: power.value,
    thermal: thermal.value,
    evidence: findings.flatMap(({ evidence }) => evidence),
  };
  return deepFreeze({ ...profile, fingerprint: fingerprintOf(profile) });
}

async function probeWholeCpu(io: ProbeIo): Promise<Finding<CpuProfile>> {
  const cpu = await probeCpu(io);
  const usable = await probeUsableCores(io, cpu.value.logicalCores);
  return {
    value: { architecture: architectureOf(io.system.arch), ...cpu.value, usableCores: usable.value },
    evidence: [...cpu.evidence, ...usable.evidence],
  };
}

async function probeAccelerators(io: ProbeIo): Promise<readonly Accelerator[]> {
  const found = await Promise.all(
    Object.entries(ACCELERATOR_PROBES).map(([name, probe]) =>
      guard(io, name, async (port) => ({ value: await probe(port), evidence: [] }), [] as readonly Accelerator[]),
    ),
  );
  return found.flatMap(({ value }) => value);
}

async function probeDisk(io: ProbeIo): Promise<Finding<DeviceProfile['disk']>> {
  const space = await io.disk();
  if (!space) return { value: { freeBytes: 0, totalBytes: 0 }, evidence: [] };
  return { value: space, evidence: [evidenceOf('disk', 'statfs', `${space.freeBytes} of ${space.totalBytes} bytes free`)] };
}

async function guard<T>(io: ProbeIo, name: string, probe: (io: ProbeIo) => Promise<Finding<T>>, fallback: T): Promise<Finding<T>> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), PROBE_DEADLINE_MS);
  try {
    const finding = await Promise.race([probe(io), late.promise]);
    if (finding) return finding;
    io.log.debug('probe failed', { probe: name, error: `no answer in ${PROBE_DEADLINE_MS} ms` });
  } catch (error) {
    io.log.debug('probe failed', { probe: name, error: error instanceof Error ? error : String(error) });
  } finally {
    clearTimeout(timer);
  }
  return { value: fallback, evidence: [] };
}

function cpuOfNode({ system }: ProbeIo): CpuProfile {
  const { logicalCores } = system;
  const architecture = architectureOf(system.arch);
  return { architecture, model: system.cpuModel, flags: [], logicalCores, physicalCores: logicalCores, usableCores: logicalCores };
}

function memoryOfNode({ system }: ProbeIo): MemoryProfile {
  return { totalBytes: system.totalMemoryBytes, availableBytes: system.freeMemoryBytes, swapBytes: 0 };
}

function platformOf(platform: string): DeviceProfile['platform'] {
  return platform === 'linux' || platform === 'darwin' || platform === 'win32' ? platform : 'other';
}

function architectureOf(arch: string): CpuProfile['architecture'] {
  return arch === 'x64' || arch === 'arm64' || arch === 'arm' || arch === 'riscv64' ? arch : 'other';
}
