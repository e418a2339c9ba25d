import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';

/** Written by NVIDIA's `nvpmodel`; readable by everybody, unlike the tool. */
const NVPMODEL_STATUS = '/var/lib/nvpmodel/status';
const NVPMODEL_MODES = '/etc/nvpmodel.conf';
const GOVERNOR_FILE = '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor';
const PROFILE_FILE = '/sys/firmware/acpi/platform_profile';
const COMMAND_TIMEOUT_MS = 1000;

/**
 * Name of a Jetson's power mode: `pmode:0001` of the status file, looked up among the `< POWER_MODEL ID=1 NAME=25W >`
 * lines of the configuration; the number when it is not listed. Undefined when the status names none.
 */
export function parseNvpModel(status: string, configuration: string): string | undefined {
  const id = /pmode:(\d{1,4})/.exec(status)?.[1];
  if (id === undefined) return undefined;
  for (const [, attributes = ''] of configuration.matchAll(/^\s*<\s*POWER_MODEL\s([^>]*)>/gm)) {
    if (Number(/\bID=(\d+)/.exec(attributes)?.[1]) !== Number(id)) continue;
    const name = /\bNAME=(\S+)/.exec(attributes)?.[1];
    if (name !== undefined) return name;
  }
  return `mode ${Number(id)}`;
}

/** True when macOS' `pmset -g` lists the low power mode as on. */
export function parseLowPowerMode(text: string): boolean {
  return /^\s*lowpowermode\s+1\s*$/m.test(text);
}

/** What limits the clocks by choice; undefined when nothing tells (Windows, virtual machines) or nothing is limited (macOS). */
export async function probePowerMode(io: ProbeIo): Promise<Finding<string> | undefined> {
  if (io.system.platform === 'linux') return (await probeNvpModel(io)) ?? (await probeGovernor(io));
  if (io.system.platform !== 'darwin') return undefined;
  const text = (await io.run('pmset', ['-g'], COMMAND_TIMEOUT_MS)) ?? '';
  return parseLowPowerMode(text) ? finding('low power mode', 'pmset -g', 'lowpowermode 1') : undefined;
}

async function probeNvpModel(io: ProbeIo): Promise<Finding<string> | undefined> {
  const [status, configuration] = await Promise.all([io.readText(NVPMODEL_STATUS), io.readText(NVPMODEL_MODES)]);
  const mode = status === undefined ? undefined : parseNvpModel(status, configuration ?? '');
  return mode === undefined ? undefined : finding(`nvpmodel ${mode}`, NVPMODEL_STATUS, status ?? '');
}

async function probeGovernor(io: ProbeIo): Promise<Finding<string> | undefined> {
  const texts = await Promise.all([GOVERNOR_FILE, PROFILE_FILE].map((path) => io.readText(path)));
  const [governor, profile] = texts.map((text) => /^[\w-]{1,40}$/.exec(text?.trim() ?? '')?.[0]);
  const parts = [governor && `governor ${governor}`, profile && `profile ${profile}`].filter(Boolean);
  const paths = [governor && GOVERNOR_FILE, profile && PROFILE_FILE].filter(Boolean);
  return parts.length === 0 ? undefined : finding(parts.join(', '), paths.join(', '), parts.join(', '));
}

function finding(value: string, from: string, raw: string): Finding<string> {
  return { value, evidence: [evidenceOf('power.mode', from, raw)] };
}
