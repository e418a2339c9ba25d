import type { CpuProfile, Evidence } from '#edge/contracts/hardware.ts';
import { inBounds, MOST_CORES } from './bounds.ts';
import { probeFastCpus } from './core-kinds.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';
import { parseSysctl, readSysctl, SYSCTL_SOURCE } from './sysctl.ts';
import { readWindows, WINDOWS_SOURCE, type WindowsFacts } from './windows.ts';

/** A CPU without what limits this process to a part of it. */
export type CpuFacts = Omit<CpuProfile, 'architecture' | 'usableCores'>;

/** Core names by `CPU implementer/CPU part`; from the Linux kernel's `arch/arm64/include/asm/cputype.h`. */
const ARM_CORES: Readonly<Record<string, string>> = {
  '0x41/0xd03': 'Cortex-A53',
  '0x41/0xd05': 'Cortex-A55',
  '0x41/0xd07': 'Cortex-A57',
  '0x41/0xd08': 'Cortex-A72',
  '0x41/0xd0b': 'Cortex-A76',
  '0x41/0xd0c': 'Neoverse-N1',
  '0x41/0xd40': 'Neoverse-V1',
  '0x41/0xd42': 'Cortex-A78AE',
  '0x41/0xd44': 'Cortex-X1',
  '0x41/0xd49': 'Neoverse-N2',
  '0x41/0xd4f': 'Neoverse-V2',
  '0x4e/0x004': 'Carmel',
};

/** `sysctl` names that say the same as a `/proc/cpuinfo` flag. */
const APPLE_FLAGS: Readonly<Record<string, readonly string[]>> = {
  'hw.optional.arm.FEAT_DotProd': ['asimddp'],
  'hw.optional.arm.FEAT_FP16': ['fphp', 'asimdhp'],
  'hw.optional.arm.FEAT_BF16': ['bf16'],
  'hw.optional.arm.FEAT_I8MM': ['i8mm'],
  'hw.optional.arm.FEAT_SME': ['sme'],
  'hw.optional.arm.FEAT_SME2': ['sme2'],
};

/**
 * Linux' `/proc/cpuinfo` on x86, ARM and RISC-V; undefined when it lists no processor, or more than a machine can have.
 * @param fast logical CPUs of the fastest kind, when not all are
 */
export function parseCpuInfo(text: string, fast: readonly number[] = []): CpuFacts | undefined {
  const processors = text
    .split(/\n\s*\n/)
    .map(parseBlock)
    .filter((block) => block.has('processor'));
  const first = processors[0];
  if (!first || processors.length > MOST_CORES) return undefined;
  const coreOf = (block: ReadonlyMap<string, string>, index: number): string => physicalCoreOf(block) ?? `#${index}`;
  const cores = new Set(processors.map(coreOf));
  const fastCores = new Set(
    processors.flatMap((block, index) => (fast.includes(Number(block.get('processor'))) ? coreOf(block, index) : [])),
  );
  return {
    model: first.get('model name') ?? armCoreNames(processors) ?? first.get('uarch') ?? '',
    flags: decisiveFlags(first.get('flags') ?? first.get('Features') ?? first.get('isa') ?? ''),
    logicalCores: processors.length,
    physicalCores: cores.size,
    ...(fastCores.size > 0 ? { performanceCores: fastCores.size } : {}),
  };
}

/** macOS' `sysctl hw machdep.cpu`; undefined when it names no core. `perflevel0` are the fast ones. */
export function parseSysctlCpu(text: string): CpuFacts | undefined {
  const values = parseSysctl(text);
  const countOf = (name: string): number | undefined => inBounds(Number(values.get(name)), MOST_CORES);
  const logicalCores = countOf('hw.logicalcpu') ?? countOf('hw.ncpu');
  if (logicalCores === undefined) return undefined;
  const physicalCores = Math.min(countOf('hw.physicalcpu') ?? logicalCores, logicalCores);
  const fastCores = countOf('hw.perflevel0.physicalcpu') ?? physicalCores;
  const appleFlags = Object.entries(APPLE_FLAGS).flatMap(([name, flags]) => (values.get(name) === '1' ? flags : []));
  return {
    model: values.get('machdep.cpu.brand_string') ?? '',
    flags: appleFlags.length > 0 ? ['asimd', ...appleFlags] : parseIntelFeatures(values),
    logicalCores,
    physicalCores,
    ...(fastCores < physicalCores ? { performanceCores: fastCores } : {}),
  };
}

/** What Windows tells: of the instruction set only some features. */
export function windowsCpu({ processors, flags }: WindowsFacts): CpuFacts | undefined {
  const sum = (counts: readonly number[]): number | undefined =>
    inBounds(
      counts.reduce((total, count) => total + count, 0),
      MOST_CORES,
    );
  const logicalCores = sum(processors.map(({ logicalCores: count }) => count));
  if (logicalCores === undefined) return undefined;
  const physicalCores = Math.min(sum(processors.map(({ cores }) => cores)) ?? logicalCores, logicalCores);
  return { model: processors[0]?.name ?? '', flags, logicalCores, physicalCores };
}

/** Reads the CPU; falls back to what Node.js reports where no source tells. */
export async function probeCpu(io: ProbeIo): Promise<Finding<CpuFacts>> {
  if (io.system.platform === 'linux') {
    const text = (await io.readText('/proc/cpuinfo')) ?? '';
    const fast = await probeFastCpus(io, parseCpuInfo(text)?.logicalCores ?? 0);
    const facts = parseCpuInfo(text, fast?.cpus);
    if (facts) return { value: facts, evidence: [...describe(facts, '/proc/cpuinfo'), ...(fast ? [fast.evidence] : [])] };
  }
  if (io.system.platform === 'darwin') {
    const facts = parseSysctlCpu(await readSysctl(io));
    if (facts) return { value: facts, evidence: describe(facts, SYSCTL_SOURCE) };
  }
  if (io.system.platform === 'win32') {
    const windows = await readWindows(io);
    const facts = windows && windowsCpu(windows);
    if (facts) return { value: facts, evidence: describe(facts, WINDOWS_SOURCE) };
  }
  io.log.debug('cpu facts fall back to Node.js', { reason: 'no readable source' });
  const { cpuModel, logicalCores } = io.system;
  const facts: CpuFacts = { model: cpuModel, flags: [], logicalCores, physicalCores: logicalCores };
  return { value: facts, evidence: describe(facts, 'os.cpus()') };
}

function describe(facts: CpuFacts, from: string): readonly Evidence[] {
  return [
    evidenceOf('cpu.model', from, facts.model),
    evidenceOf('cpu.flags', from, facts.flags.join(' ')),
    evidenceOf('cpu.physicalCores', from, `${facts.physicalCores} physical, ${facts.logicalCores} logical`),
  ];
}

/**
 * True for a flag that some engine's kernels ask for. The others (`vmmcall`, `pse36` ...) say nothing about speed, and
 * a kernel update that adds one must not make stored measurements void.
 */
function isDecisive(flag: string): boolean {
  return /^(avx\w*|amx_\w+|fma|f16c|ssse3|sse4_[12]|bmi2|asimd\w*|fphp|i8mm|bf16|sve\w*|sme\d?|neon|rv\w+)$/.test(flag);
}

function decisiveFlags(text: string): readonly string[] {
  return [...new Set(text.split(/\s+/).filter(isDecisive))];
}

function parseIntelFeatures(values: ReadonlyMap<string, string>): readonly string[] {
  const names = `${values.get('machdep.cpu.features') ?? ''} ${values.get('machdep.cpu.leaf7_features') ?? ''}`;
  return decisiveFlags(names.toLowerCase().replace('avx1.0', 'avx').replaceAll('sse4.', 'sse4_'));
}

function parseBlock(block: string): ReadonlyMap<string, string> {
  const entries = block.split('\n').flatMap((line) => {
    const colon = line.indexOf(':');
    return colon < 0 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const];
  });
  return new Map(entries);
}

function physicalCoreOf(block: ReadonlyMap<string, string>): string | undefined {
  const core = block.get('core id');
  return core === undefined ? undefined : `${block.get('physical id') ?? 0}/${core}`;
}

function armCoreNames(processors: readonly ReadonlyMap<string, string>[]): string | undefined {
  const names = processors.flatMap((block) => {
    const part = `${block.get('CPU implementer')}/${block.get('CPU part')}`;
    return block.has('CPU part') ? [ARM_CORES[part] ?? `ARM ${part}`] : [];
  });
  return names.length === 0 ? undefined : [...new Set(names)].join(' + ');
}
