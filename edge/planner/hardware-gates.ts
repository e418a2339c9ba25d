import { PROVIDER_HARDWARE, packagedProvider } from './binaries.ts';
import type { Draft, Gate } from './gate.ts';

/** A build made on a device runs on that device: instructions and libraries are those it was compiled for. */
export const rejectLocalBuild: Gate = ({ localBuild, binaries, input }) => {
  if (!localBuild || localBuild.fingerprint === input.device.fingerprint) return undefined;
  const build = `${binaries.label} ${localBuild.release}`.trim();
  return { code: 'no-binary', detail: `${build} was built on other hardware; "nearside tune" builds it anew` };
};

export const rejectPlatform: Gate = (draft) => {
  if (!isPackagedBinary(draft)) return undefined;
  const { binaries, provider, input } = draft;
  const { platform, cpu, libc } = input.device;
  const here = `${platform}/${cpu.architecture}`;
  if (!binaries.platforms[provider]?.includes(here)) {
    const build = provider === 'cpu' ? binaries.label : `${binaries.label} with ${provider}`;
    return { code: 'no-binary', detail: `there is no published build of ${build} for ${here}${tuneAdvice(draft)}` };
  }
  if (libc.kind !== 'musl') return undefined;
  return { code: 'no-binary', detail: `builds of ${binaries.label} need glibc, this system has musl ${libc.version}`.trim() };
};

export const rejectLibc: Gate = (draft) => {
  const { binaries, input } = draft;
  const { kind, version } = input.device.libc;
  if (!isPackagedBinary(draft) || kind !== 'glibc' || compareVersions(version, binaries.minimumGlibc) >= 0) return undefined;
  const detail = `${binaries.label} needs glibc ${binaries.minimumGlibc}, this system has ${version}${tuneAdvice(draft)}`;
  return { code: 'libc-too-old', detail };
};

/** Unknown flags (an empty list, as on Windows) reject nothing. */
export const rejectCpuFlags: Gate = (draft) => {
  const { architecture, flags } = draft.input.device.cpu;
  if (!isPackagedBinary(draft) || architecture !== 'x64' || flags.length === 0) return undefined;
  const missing = draft.binaries.requiredFlags.filter((flag) => !flags.includes(flag));
  return missing.length === 0 ? undefined : { code: 'cpu-flag-missing', detail: `${draft.binaries.label} needs ${missing.join(', ')}` };
};

export const rejectHardware: Gate = ({ provider, input }) => {
  const hardware = PROVIDER_HARDWARE[packagedProvider(provider)];
  if (!hardware) return undefined;
  const found = input.device.accelerators.filter(({ kind }) => kind === hardware.kind);
  if (found.length === 0) return { code: 'driver-missing', detail: `${hardware.driver} was found` };
  if (provider === 'coreml' || found.some(({ confidence }) => confidence === 'library')) return undefined;
  const problem = found.find((accelerator) => accelerator.problem !== undefined)?.problem;
  return { code: 'lib-missing', detail: problem ?? `${found[0]?.name} is there, but not ${hardware.library}` };
};

/** The Neural Engine computes in fp16 on shapes that are known when the graph is compiled. */
export const rejectNeuralEngine: Gate = ({ provider, variant }) => {
  if (provider !== 'coreml') return undefined;
  const lacks = [
    ...(variant.staticShapes ? [] : ['fixed shapes']),
    ...(/^(fp|f)(16|32)$/i.test(variant.quantisation) ? [] : ['fp16 or fp32 weights']),
  ];
  return lacks.length === 0
    ? undefined
    : { code: 'dynamic-shape-on-ane', detail: `the Neural Engine needs ${lacks.join(' and ')}, which ${variant.id} has not` };
};

/** False for what was built here, and for what is no native code. */
function isPackagedBinary({ localBuild, binaries, provider }: Draft): boolean {
  return localBuild === undefined && binaries.platforms[provider] !== 'any';
}

/** llama.cpp can be compiled where no binary fits: for the CPU, and for CUDA. */
function tuneAdvice({ backend, provider, input }: Draft): string {
  const isBuilt = input.localBuilds.some((build) => build.backend === backend && packagedProvider(build.provider) === provider);
  return backend === 'llama' && (provider === 'cpu' || provider === 'cuda') && !isBuilt ? '; "nearside tune" builds one' : '';
}

/** Negative when `a` is the older one; `2.9` is older than `2.34`. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let index = 0; index < Math.max(left?.length ?? 0, right?.length ?? 0); index++) {
    const difference = (left?.[index] || 0) - (right?.[index] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
