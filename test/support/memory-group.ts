import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A control group that holds its processes to a size of memory; the kernel kills one when they need more. */
export interface MemoryGroup extends Disposable {
  /** Moves a process in. What it holds already stays on the account of its old group. */
  add(pid: number): void;
}

/** A new group below this process's own, without swap; the reason where this system or this user may not make one. */
export function createMemoryGroup(name: string, bytes: number): MemoryGroup | string {
  const parent = ownMemoryGroup();
  if (!parent) return 'no memory controller of control groups is mounted';
  const path = join(parent.path, `nearside-test-${name}-${process.pid}`);
  const { limit, limitWithSwap } = parent.files;
  try {
    mkdirSync(path);
    writeFileSync(join(path, limit), String(bytes));
    if (existsSync(join(path, limitWithSwap.file))) writeFileSync(join(path, limitWithSwap.file), String(limitWithSwap.value(bytes)));
  } catch (error) {
    if (existsSync(path)) rmdirSync(path);
    return `no control group can be made at ${path}: ${String(error)}`;
  }
  return {
    add: (pid) => writeFileSync(join(path, 'cgroup.procs'), String(pid)),
    [Symbol.dispose]: () => rmdirSync(path),
  };
}

const V1 = { limit: 'memory.limit_in_bytes', limitWithSwap: { file: 'memory.memsw.limit_in_bytes', value: (bytes: number) => bytes } };
const V2 = { limit: 'memory.max', limitWithSwap: { file: 'memory.swap.max', value: () => 0 } };

function ownMemoryGroup(): { readonly path: string; readonly files: typeof V1 } | undefined {
  if (process.platform !== 'linux') return undefined;
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  const pathOf = (controllers: (names: string) => boolean): string | undefined =>
    lines.map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line)).find((match) => match && controllers(match[1] as string))?.[2];
  const v1 = pathOf((names) => names.split(',').includes('memory'));
  if (v1 !== undefined) return { path: join('/sys/fs/cgroup/memory', v1), files: V1 };
  const v2 = pathOf((names) => names === '');
  return v2 === undefined ? undefined : { path: join('/sys/fs/cgroup', v2), files: V2 };
}
