/**
 * Entry of an engine child: one backend, one model. Started by `EngineHost` with the backend and the model as
 * arguments, which only serve to recognise the process in a process list.
 */
import { writeFileSync } from 'node:fs';
import type { Engine, EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { connectParent } from '#edge/core/process/parent.ts';
import type { EngineHostMethods, EngineMethods } from './engine-methods.ts';
import { importBackend } from './registry.ts';

let loading: Promise<Engine> | undefined;

function engine(): Promise<Engine> {
  if (!loading) throw new EdgeError('E_INTERNAL', { what: 'engine child', expected: 'load first', found: 'another call' });
  return loading;
}

async function load(spec: LoadSpec, signal: AbortSignal): Promise<EngineInfo> {
  if (loading) throw new EdgeError('E_INTERNAL', { what: 'engine child', expected: 'one load', found: 'another' });
  loading = importBackend(spec.backend).then((backend) =>
    backend.load(spec, {
      signal,
      onProgress: (progress) => {
        parent.call('progress', progress).catch(() => undefined);
      },
    }),
  );
  try {
    return (await loading).info;
  } catch (error) {
    loading = undefined;
    throw error;
  }
}

const parent = connectParent<EngineHostMethods, EngineMethods>(
  {
    load: (spec, { signal }) => load(spec, signal),
    generate: async function* (request, { signal }) {
      yield* (await engine()).generate(request, { signal });
    },
    embed: async (request, { signal }) => (await engine()).embed(request, { signal }),
    score: async (request, { signal }) => (await engine()).score(request, { signal }),
    runTensors: async (request, { signal }) => (await engine()).runTensors(request, { signal }),
  },
  async () => {
    await (await loading)?.[Symbol.asyncDispose]();
  },
);

if (process.platform === 'linux') offerToOomKiller();

/** When memory runs out the kernel shall take an engine, which restarts, and not the device. */
function offerToOomKiller(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch (error) {
    process.stderr.write(`cannot set oom_score_adj: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
