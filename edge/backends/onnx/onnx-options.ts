import { join } from 'node:path';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { NativeSessionOptions } from './onnx-native.ts';

/**
 * CoreML flags of ONNX Runtime's `coreml_provider_factory.h`: static shapes only (0x08), ML program (0x10) and, on the
 * Apple Neural Engine, 0x04. The Node binding honours no other CoreML option.
 */
const COREML_NEURAL_ENGINE = 0x1c;

/**
 * Session options for one load: pure, so that a plan can be read without loading anything.
 * @param profileFolder Where the session writes a profile of its runs until it is told to stop; none when absent.
 */
export function sessionOptions(spec: Pick<LoadSpec, 'provider' | 'threads'>, profileFolder?: string): NativeSessionOptions {
  return {
    executionProviders: [spec.provider === 'coreml' ? { name: 'coreml', coreMlFlags: COREML_NEURAL_ENGINE } : spec.provider],
    intraOpNumThreads: Math.max(1, spec.threads),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    ...(profileFolder === undefined ? {} : { enableProfiling: true, profileFilePrefix: join(profileFolder, 'profile') }),
    // Spinning workers burn five times the CPU time between short runs at the same latency. Values must be strings:
    // the binding passes them on as session configuration entries.
    extra: { session: { intra_op: { allow_spinning: '0' }, set_denormal_as_zero: '1' } },
  };
}
