import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';

export type Libc = DeviceProfile['libc'];

const APK_DATABASE = '/lib/apk/db/installed';

/** Version such as `1.2.5` of the musl package in Alpine's package database. */
export function parseMuslVersion(apkDatabase: string): string | undefined {
  return /^P:musl\nV:([\d.]+)/m.exec(apkDatabase)?.[1];
}

/** C library of a Linux system; kind `none` elsewhere. An unknown version is empty. */
export async function probeLibc(io: ProbeIo): Promise<Finding<Libc>> {
  const { platform, glibcVersion } = io.system;
  if (platform !== 'linux') return { value: { kind: 'none', version: '' }, evidence: [] };
  if (glibcVersion !== undefined) {
    return { value: { kind: 'glibc', version: glibcVersion }, evidence: [evidenceOf('libc', 'process.report', `glibc ${glibcVersion}`)] };
  }
  const loader = (await io.readDir('/lib'))?.find((name) => name.startsWith('ld-musl-'));
  const version = parseMuslVersion((await io.readText(APK_DATABASE)) ?? '') ?? '';
  const source = loader === undefined ? 'process.report' : `/lib/${loader}`;
  return { value: { kind: 'musl', version }, evidence: [evidenceOf('libc', source, `musl ${version}`)] };
}
