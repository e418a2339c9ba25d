import type { Accelerator } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';

/** What one call of PowerShell tells of a Windows machine; not run on a real one by this project yet. */
export interface WindowsFacts {
  readonly processors: readonly { readonly name: string; readonly cores: number; readonly logicalCores: number }[];
  /** In `/proc/cpuinfo` spelling; only the features that Windows answers for. */
  readonly flags: readonly string[];
  readonly gpus: readonly WindowsGpu[];
  readonly manufacturer: string;
  readonly model: string;
  /** `Win32_Battery.BatteryStatus`; absent without a battery. */
  readonly batteryStatus?: number;
}

export interface WindowsGpu {
  readonly name: string;
  readonly driver: string;
  /** `PCI\VEN_8086&DEV_46A6&...`. */
  readonly pnpId: string;
  /** Saturates near 4 GiB: a 32-bit number. */
  readonly memoryBytes: number;
}

/** How evidence names {@link readWindows}. */
export const WINDOWS_SOURCE = 'powershell Get-CimInstance';

/** Arguments of `IsProcessorFeaturePresent` (winnt.h, PF_*) and the flag each stands for. */
const PROCESSOR_FEATURES: Readonly<Record<number, string>> = {
  36: 'ssse3',
  37: 'sse4_1',
  38: 'sse4_2',
  39: 'avx',
  40: 'avx2',
  41: 'avx512f',
  43: 'asimddp',
};

// No double quotes: they do not survive the way through the command line of Windows.
const SCRIPT = [
  '$f=@()',
  "try{$d='[DllImport(#kernel32.dll#)]public static extern bool IsProcessorFeaturePresent(uint f);'.Replace('#',[string][char]34)",
  `$k=Add-Type -Name P -Namespace Nearside -PassThru -MemberDefinition $d;$f=@(${Object.keys(PROCESSOR_FEATURES).join(',')}|?{$k::IsProcessorFeaturePresent($_)})}catch{}`,
  '[ordered]@{cpu=@(Get-CimInstance Win32_Processor|select Name,NumberOfCores,NumberOfLogicalProcessors)',
  'features=$f',
  'gpu=@(Get-CimInstance Win32_VideoController|select Name,AdapterRAM,DriverVersion,PNPDeviceID)',
  'system=@(Get-CimInstance Win32_ComputerSystem|select Manufacturer,Model)',
  'battery=@(Get-CimInstance Win32_Battery|select BatteryStatus)}|ConvertTo-Json -Depth 3 -Compress',
].join(';');
const POWERSHELL_ARGS = ['-NoProfile', '-NonInteractive', '-Command', SCRIPT];
const POWERSHELL_TIMEOUT_MS = 8000;

const SYSTEM_FOLDER = 'C:\\Windows\\System32';
const MOST_NAME_LENGTH = 200;
const MOST_ADAPTER_BYTES = 4 * 1024 ** 3 - 1024 ** 2;
const VENDORS: Readonly<Record<string, string>> = { '10DE': 'NVIDIA', '1002': 'AMD', '8086': 'Intel', '5143': 'Qualcomm' };

/** The JSON of {@link readWindows}'s script; undefined when it is none. What is missing in it is empty or 0. */
export function parseWindowsFacts(json: string): WindowsFacts | undefined {
  const facts = parseJson(json);
  if (!isRecord(facts)) return undefined;
  const { cpu, features, gpu, system, battery } = facts;
  const [machine = {}] = recordsOf(system);
  const [first] = recordsOf(battery);
  return {
    processors: recordsOf(cpu).map((one) => ({
      name: textOf(one.Name),
      cores: countOf(one.NumberOfCores),
      logicalCores: countOf(one.NumberOfLogicalProcessors),
    })),
    flags: listOf(features).flatMap((feature) => PROCESSOR_FEATURES[Number(feature)] ?? []),
    gpus: recordsOf(gpu).map((one) => ({
      name: textOf(one.Name),
      driver: textOf(one.DriverVersion),
      pnpId: textOf(one.PNPDeviceID),
      memoryBytes: countOf(one.AdapterRAM),
    })),
    manufacturer: textOf(machine.Manufacturer),
    model: textOf(machine.Model),
    ...(first ? { batteryStatus: countOf(first.BatteryStatus) } : {}),
  };
}

const asked = new WeakMap<ProbeIo, Promise<WindowsFacts | undefined>>();

/** Asks PowerShell, once for all probes of one `io`: starting it takes a second. */
export function readWindows(io: ProbeIo): Promise<WindowsFacts | undefined> {
  const running =
    asked.get(io) ?? io.run('powershell.exe', POWERSHELL_ARGS, POWERSHELL_TIMEOUT_MS).then((json) => parseWindowsFacts(json ?? ''));
  asked.set(io, running);
  return running;
}

/** DirectML and Vulkan of each graphics card on the PCI bus; virtual displays are left out. */
export async function probeWindows(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'win32') return [];
  const cards = (await readWindows(io))?.gpus.filter(({ pnpId }) => pnpId.startsWith('PCI\\')) ?? [];
  const [directx, vulkan] = await Promise.all(['D3D12.dll', 'vulkan-1.dll'].map((name) => io.exists(`${SYSTEM_FOLDER}\\${name}`)));
  return cards.flatMap((card) => {
    const directml = acceleratorOf('directml', card, directx ? `${SYSTEM_FOLDER}\\D3D12.dll` : undefined);
    return vulkan ? [directml, acceleratorOf('vulkan', card, `${SYSTEM_FOLDER}\\vulkan-1.dll`)] : [directml];
  });
}

function acceleratorOf(
  kind: 'directml' | 'vulkan',
  { name, driver, pnpId, memoryBytes }: WindowsGpu,
  library: string | undefined,
): Accelerator {
  const unified = isIntegrated(VENDORS[/VEN_([0-9A-F]{4})/i.exec(pnpId)?.[1]?.toUpperCase() ?? ''], name);
  const fact = `accelerators.${kind}`;
  return {
    kind,
    name,
    unified,
    confidence: library === undefined ? 'device' : 'library',
    ...(!unified && memoryBytes > 0 && memoryBytes < MOST_ADAPTER_BYTES ? { memoryBytes } : {}),
    ...(driver === '' ? {} : { driver }),
    evidence: [
      evidenceOf(fact, WINDOWS_SOURCE, `${name}, ${pnpId}`),
      ...(library === undefined ? [] : [evidenceOf(fact, library, 'library found')]),
    ],
  };
}

/** By name, as Windows tells it nowhere: Intel's but the Arc cards, AMD's without a number, Qualcomm's. */
function isIntegrated(vendor: string | undefined, name: string): boolean {
  if (vendor === 'Intel') return !/\bArc\(TM\) [AB]\d/.test(name);
  if (vendor === 'AMD') return /Radeon\(TM\)( \d{3}M)?( Vega \d+)? Graphics/.test(name) || /Radeon\(TM\) \d{3}M/.test(name);
  return vendor === 'Qualcomm';
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // Anything else than JSON is a shell that said something else: no facts.
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Windows PowerShell makes one object of a list of one in some places, and null of an empty one. */
function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === null || value === undefined ? [] : [value];
}

function recordsOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return listOf(value).filter(isRecord);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim().slice(0, MOST_NAME_LENGTH) : '';
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}
