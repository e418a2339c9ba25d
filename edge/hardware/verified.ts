import type { DeviceProfile } from '#edge/contracts/hardware.ts';

const BOARDS: Readonly<Record<DeviceProfile['board']['kind'], string | undefined>> = {
  jetson: 'NVIDIA Jetson',
  'raspberry-pi': 'Raspberry Pi',
  apple: 'Apple',
  generic: undefined,
};

/**
 * What of this device the project never saw on real hardware, for the place where a profile is shown: its probes follow
 * documentation. Empty for a PC with Linux on x64 and no accelerator, the only kind it was run on.
 */
export function unverifiedParts({ board, platform, cpu, libc, accelerators }: DeviceProfile): readonly string[] {
  const machine =
    BOARDS[board.kind] ?? (platform === 'linux' && cpu.architecture === 'x64' ? undefined : `${platform} on ${cpu.architecture}`);
  const parts = [machine, libc.kind === 'musl' ? 'musl' : undefined, ...accelerators.map(({ kind }) => kind)];
  return [...new Set(parts.filter((part) => part !== undefined))];
}
