/** Engines that run out of memory: killed by the kernel in a control group, or refused more by a limit of their process. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { classifyFailure } from '#edge/backends/classify-failure.ts';
import type { EngineHost } from '#edge/backends/engine-host.ts';
import { LEAK_BYTES } from '#edge/backends/fake/fake-faults.ts';
import { storedEncoderSpec } from '#test/backends/onnx/fixtures.ts';
import { EngineHosts } from '#test/support/engine-hosts.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { fakeSpec } from '#test/support/fake-model.ts';
import { createMemoryGroup, type MemoryGroup } from '#test/support/memory-group.ts';

const MIB = 2 ** 20;
const PASSAGE = 'An opened tent can be returned within thirty days of its delivery. '.repeat(40);

const hosts = new EngineHosts();
afterEach(() => hosts[Symbol.asyncDispose]());

const embed = async (host: EngineHost) =>
  (await host.embed({ model: 'e5-small-v2', texts: Array.from({ length: 16 }, () => PASSAGE), purpose: 'passage' })).vectors;

/** Resolves once the engine's process was made; it has loaded nothing then. */
async function processOf(host: EngineHost): Promise<number> {
  await expect.poll(() => host.status.pid, { interval: 1 }).toBeGreaterThan(0);
  return host.status.pid as number;
}

/** Why no control group can be made here, if so. */
function whyNoGroup(): string | undefined {
  const group = createMemoryGroup('probe', 64 * MIB);
  if (typeof group === 'string') return group;
  group[Symbol.dispose]();
  return undefined;
}

const missing = whyNoGroup();

describe.skipIf(missing)(`a control group that is too small${missing ? ` (${missing})` : ''}`, { timeout: 120_000 }, () => {
  it('ends a load by the kernel, which is told as a lack of memory', async () => {
    // More than Node alone needs, less than with the model.
    using group = createMemoryGroup('load', 72 * MIB) as MemoryGroup;
    const { host, crashes } = hosts.open({ spec: storedEncoderSpec('e5-small-v2') });
    const load = expectCode(host.load(), 'E_MEMORY_BUDGET');
    group.add(await processOf(host));
    const error = await load;
    expect(error.message).toContain("SIGKILL, sent by the kernel's out-of-memory killer");
    expect(classifyFailure(error).code).toBe('mem-exceeds');
    expect(crashes).toMatchObject([{ exit: { signal: 'SIGKILL', unexpected: true, error: { code: 'E_MEMORY_BUDGET' } } }]);
  });

  it('ends a call, which is not repeated; the next one is answered by a process outside', async () => {
    // What a process held before it came in counts elsewhere: this is for the call alone.
    using group = createMemoryGroup('call', 24 * MIB) as MemoryGroup;
    const { host, crashes } = hosts.open({ spec: storedEncoderSpec('e5-small-v2') });
    await host.load();
    group.add(host.status.pid as number);
    await expectCode(embed(host), 'E_MEMORY_BUDGET');
    expect(crashes).toHaveLength(1);
    expect(await embed(host)).toHaveLength(16);
  });
});

describe('a SIGKILL that nobody sent for memory', () => {
  it.skipIf(process.platform === 'win32')('is told as a crash', async () => {
    const { host, crashes } = hosts.open({ spec: storedEncoderSpec('e5-small-v2') });
    await host.load();
    process.kill(host.status.pid as number, 'SIGKILL');
    await expect.poll(() => crashes.length).toBe(1);
    expect(crashes[0]?.exit.error.code).toBe('E_ENGINE_CRASHED');
  });
});

describe.skipIf(!canLimitProcesses())('a limit of the address space (Linux, prlimit of util-linux)', { timeout: 60_000 }, () => {
  it('fails the call that needs more as a lack of memory; the process lives and answers the next', async () => {
    const { host, crashes } = hosts.open({ spec: fakeSpec() });
    await host.load();
    const pid = host.status.pid as number;
    const bytes = Number(/VmSize:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
    execFileSync('prlimit', ['--pid', String(pid), `--as=${bytes + LEAK_BYTES / 2}`]);
    const error = await expectCode(host.embed({ model: 'fake-model', texts: ['now [leak]'], purpose: 'plain' }), 'E_MEMORY_BUDGET');
    expect(classifyFailure(error).code).toBe('mem-exceeds');
    expect((await host.embed({ model: 'fake-model', texts: ['a tent'], purpose: 'plain' })).vectors).toHaveLength(1);
    expect(host.status.pid).toBe(pid);
    expect(crashes).toEqual([]);
  });
});

function canLimitProcesses(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    execFileSync('prlimit', ['--version']);
    return true;
  } catch {
    return false;
  }
}
