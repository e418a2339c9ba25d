import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { NativeSessionOptions } from './onnx-native.ts';

/**
 * CoreML flags of ONNX Runtime's `coreml_provider_factory.h`: static shapes only (0x08), ML program (0x10) and, on the
 * Apple Neural Engine, 0x04. The Node binding honours no other CoreML option.
 */
const COREML_NEURAL_ENGINE = 0x1c;

/** Session options for one load: pure, so that a plan can be read without loading anything. */
export function sessionOptions(spec: Pick<LoadSpec, 'provider' | 'threads'>): NativeSessionOptions {
  return {
    executionProviders: [spec.provider === 'coreml' ? { name: 'coreml', coreMlFlags: COREML_NEURAL_ENGINE } : spec.provider],
    intraOpNumThreads: Math.max(1, spec.threads),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    // Spinning workers burn five times the CPU time between short runs at the same latency. Values must be strings:
    // the binding passes them on as session configuration entries.
    extra: { session: { intra_op: { allow_spinning: '0' }, set_denormal_as_zero: '1' } },
  };
}
