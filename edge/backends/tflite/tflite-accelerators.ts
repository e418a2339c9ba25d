import { EdgeError } from '#edge/core/errors.ts';
import { HARDWARE, type Hardware } from './tflite-native.ts';

/** Execution providers this backend can name, with what each needs besides the library. */
const NEEDS: Readonly<Record<Hardware, string>> = {
  cpu: 'nothing',
  gpu: 'libLiteRtWebGpuAccelerator, libLiteRtOpenClAccelerator, libLiteRtVulkanAccelerator or libLiteRtMetalAccelerator on the library path, and a driver for it',
  npu: "the vendor's LiteRT dispatch library on the library path, and a model compiled for that NPU",
};

/** @throws EdgeError `E_UNSUPPORTED` for a name that is no provider of this backend. */
export function hardwareOf(provider: string): Hardware {
  if (Object.hasOwn(HARDWARE, provider)) return provider as Hardware;
  throw new EdgeError('E_UNSUPPORTED', {
    what: `the tflite backend has no execution provider "${provider}"`,
    expected: `one of ${Object.keys(HARDWARE).join(', ')}, wasm`,
  });
}

/**
 * Refuses hardware for which no accelerator registered: LiteRT only warns, and would go on with the CPU.
 * @throws EdgeError `E_UNSUPPORTED`.
 */
export function requireAccelerator(hardware: Hardware, registered: readonly Hardware[]): void {
  if (registered.includes(hardware)) return;
  throw new EdgeError('E_UNSUPPORTED', {
    what: `LiteRT found no accelerator for "${hardware}" (${process.platform}/${process.arch})`,
    expected: NEEDS[hardware],
    found: `only ${registered.join(', ') || 'none'}`,
    hint: 'Use provider "cpu", or a device that has what is expected.',
    details: { provider: hardware, available: registered },
  });
}

/** The coded form of an accelerator that registered but does not start (no device, no driver) or does not take the graph. */
export function acceleratorFailure(hardware: Hardware, cause: EdgeError): EdgeError {
  return new EdgeError('E_UNSUPPORTED', {
    what: `"${hardware}" does not start here, or does not take the model`,
    expected: NEEDS[hardware],
    found: cause.message,
    hint: 'See the log of the engine for what the accelerator wrote, or use provider "cpu".',
    cause,
  });
}

/**
 * A graph of which some operators would run on the CPU after all is a reason, not a compromise: measured, it would be taken for
 * what the accelerator can do. On the CPU itself plain kernels are welcome.
 * @throws EdgeError `E_UNSUPPORTED`.
 */
export function requireWholeGraph(hardware: Hardware, isFullyAccelerated: boolean): void {
  if (hardware === 'cpu' || isFullyAccelerated) return;
  throw new EdgeError('E_UNSUPPORTED', {
    what: `"${hardware}" does not take the whole graph`,
    expected: 'every operator on the accelerator',
    found: 'some that it leaves to the CPU',
    hint: 'Use provider "cpu", or a variant made for that accelerator.',
  });
}
