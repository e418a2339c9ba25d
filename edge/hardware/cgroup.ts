import type { ProbeIo } from './probe-io.ts';

/** A folder of a control group and the interface its files follow. */
export interface CgroupFolder {
  readonly version: 1 | 2;
  readonly path: string;
}

export type CgroupController = 'cpu' | 'memory';

const V2_ROOTS = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'];
const V1_ROOTS: Readonly<Record<CgroupController, readonly string[]>> = {
  cpu: ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct'],
  memory: ['/sys/fs/cgroup/memory'],
};

/**
 * Folders that may limit this process, from its own group up to the root: every level counts, the tightest wins.
 * Both interfaces are listed because hybrid systems mount version 1 controllers beside an empty version 2 tree,
 * and a container without a cgroup namespace shows the host's path while only the root is mounted.
 * @param text content of `/proc/self/cgroup`
 */
export function parseCgroup(text: string, controller: CgroupController): readonly CgroupFolder[] {
  const folders: CgroupFolder[] = [];
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (!match) continue;
    const [, controllers = '', path = '/'] = match;
    const isV2 = controllers === '';
    if (!isV2 && !controllers.split(',').includes(controller)) continue;
    for (const root of isV2 ? V2_ROOTS : V1_ROOTS[controller]) {
      for (const level of levelsOf(path)) folders.push({ version: isV2 ? 2 : 1, path: root + level });
    }
  }
  return folders;
}

/** Reads {@link parseCgroup}'s folders; none outside Linux. */
export async function readCgroup(io: ProbeIo, controller: CgroupController): Promise<readonly CgroupFolder[]> {
  if (io.system.platform !== 'linux') return [];
  return parseCgroup((await io.readText('/proc/self/cgroup')) ?? '', controller);
}

/** `/a/b` > `/a/b`, `/a`, empty. */
function levelsOf(path: string): readonly string[] {
  const parts = path.split('/').filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`).concat('');
}
