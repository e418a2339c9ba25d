import type { WireFailure } from './wire.ts';

/**
 * A failure that the reader is shown. Codes are those of the device's error table, and two that only a browser can
 * meet: `E_DEVICE_UNREACHABLE` (no answer at all) and `E_STREAM_CUT` (the answer ended without its last part).
 */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }

  /** From the `error` object of a response or a stream. */
  static fromWire(failure: WireFailure | undefined, status?: number): DeviceError {
    const code = failure?.code ?? (status === undefined ? 'E_INTERNAL' : `HTTP ${status}`);
    const message = failure?.message ?? 'The device could not answer and gave no reason.';
    return new DeviceError(code, message, failure?.hint ?? 'See "nearside doctor" and the log of the device.');
  }

  static from(error: unknown): DeviceError {
    if (error instanceof DeviceError) return error;
    const found = error instanceof Error ? error.message : String(error);
    // What fetch throws when no connection was made, or when it broke (Fetch Standard).
    if (!(error instanceof TypeError)) {
      return new DeviceError('E_INTERNAL', `The page could not read the answer: ${found}`, 'This is a bug: please report it.', error);
    }
    return new DeviceError(
      'E_DEVICE_UNREACHABLE',
      `The device does not answer: ${found}`,
      'Check that "npm start" still runs, then retry.',
      error,
    );
  }
}
