/**
 * Where a graph really runs. ONNX Runtime gives each operator that an execution provider does not take to the CPU without a word; its
 * profile of a run names the provider of every operator. `session.disable_cpu_ep_fallback` would refuse such a graph whole, also for the
 * arithmetic of shapes, which providers leave to the CPU on purpose.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tensor, TensorSpec } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** Operators that carry the work of a network, fused and quantised forms included. */
const WORK = /MatMul|Gemm|Conv|Attention|LSTM|GRU|RNN|Einsum/;

const PROVIDER_NAMES: Readonly<Record<string, string>> = {
  cpu: 'CPUExecutionProvider',
  cuda: 'CUDAExecutionProvider',
  coreml: 'CoreMLExecutionProvider',
  dml: 'DmlExecutionProvider',
};

/** A session that profiles itself. */
export interface ProfiledSession {
  readonly inputs: readonly TensorSpec[];
  run(inputs: Readonly<Record<string, Tensor>>): Promise<unknown>;
  endProfiling(): void;
}

/**
 * Runs the graph once on zeros, free dimensions being 1, and compares the provider that was asked for with those that were used. A provider
 * that only fails when it runs is found by this as well.
 * @param folder Where the session writes its profile and nothing else is.
 * @throws EdgeError `E_UNSUPPORTED` with the operators that ran elsewhere, or with what the run failed of.
 */
export async function requirePlacement(session: ProfiledSession, provider: string, folder: string): Promise<void> {
  try {
    await session.run(Object.fromEntries(session.inputs.map((spec) => [spec.name, zeros(spec)])));
    session.endProfiling();
    const [file] = await readdir(folder);
    if (file === undefined) throw refusal(provider, 'a profile of one run', 'none', 'probe-crashed');
    checkPlacement(provider, await readFile(join(folder, file), 'utf8'));
  } catch (error) {
    if (EdgeError.is(error, 'E_BAD_REQUEST')) throw refusal(provider, 'one run on zeros', error.message, 'probe-crashed');
    throw error;
  }
}

interface TraceEvent {
  readonly cat: string;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

/**
 * @param trace The profile of a session: a JSON list of events in Chrome's trace format.
 * @throws EdgeError `E_UNSUPPORTED`.
 */
export function checkPlacement(provider: string, trace: string): void {
  const asked = PROVIDER_NAMES[provider];
  const operators = (JSON.parse(trace) as readonly TraceEvent[]).flatMap(({ cat, args }) =>
    cat === 'Node' && args?.provider !== undefined ? [{ name: args.op_name ?? '', provider: args.provider }] : [],
  );
  const elsewhere = operators.filter((operator) => operator.provider !== asked);
  const strays = [...new Set(elsewhere.filter(({ name }) => WORK.test(name)).map(({ name }) => name))];
  if (strays.length > 0) {
    throw refusal(provider, 'all matrix operators there', `${strays.join(', ')} on the CPU`, 'io-dtype-unsupported');
  }
  if (operators.length > 0 && elsewhere.length === operators.length) {
    throw refusal(provider, 'operators there', `all ${operators.length} on the CPU`, 'io-dtype-unsupported');
  }
}

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Readonly<Record<Tensor['dtype'], unknown>>;

function zeros({ dtype, shape }: TensorSpec): Tensor {
  const sizes = shape.map((size) => (size === -1 ? 1 : size));
  return { dtype, shape: sizes, data: new ARRAYS[dtype](sizes.reduce((product, size) => product * size, 1)) };
}

function refusal(provider: string, expected: string, found: string, rejection: string): EdgeError {
  return new EdgeError('E_UNSUPPORTED', {
    what: `the graph does not run on execution provider "${provider}"`,
    expected,
    found,
    hint: 'Use a floating-point variant of the model, or provider "cpu".',
    details: { rejection },
  });
}
