import type { Accelerator } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';
import { parseSysctl, readSysctl, SYSCTL_SOURCE } from './sysctl.ts';

/**
 * Metal and the Neural Engine by chip. No public query tells of the Neural Engine: every Apple Silicon Mac has one, no
 * virtual machine shows it; so its confidence stays `device` until a model ran on it.
 */
export function parseAppleAccelerators(sysctlText: string): readonly Accelerator[] {
  const values = parseSysctl(sysctlText);
  const brand = values.get('machdep.cpu.brand_string') ?? '';
  if (!brand.startsWith('Apple')) return [];
  const isVirtual = brand.includes('Virtual') || values.get('kern.hv_vmm_present') === '1';
  const evidence = (kind: string): Accelerator['evidence'] => [evidenceOf(`accelerators.${kind}`, SYSCTL_SOURCE, brand)];
  const metal: Accelerator = { kind: 'metal', name: `${brand} GPU`, unified: true, confidence: 'library', evidence: evidence('metal') };
  const engine: Accelerator = {
    kind: 'ane',
    name: `${brand} Neural Engine`,
    unified: true,
    confidence: 'device',
    evidence: evidence('ane'),
  };
  return isVirtual ? [metal] : [metal, engine];
}

/** Accelerators of a Mac; none elsewhere. */
export async function probeApple(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'darwin' || io.system.arch !== 'arm64') return [];
  return parseAppleAccelerators(await readSysctl(io));
}
