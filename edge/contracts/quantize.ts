import type { OnProgress } from './progress.ts';

/** Quantisations that weights can be made in on a device, by llama.cpp's names; help in the order of loss. */
export const QUANTIZATIONS = ['BF16', 'F16', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q4_0'] as const;
export type Quantization = (typeof QUANTIZATIONS)[number];

/** What tells how much of the source's quality is left: perplexity of a generator, cosine of an encoder's vectors. */
export const QUALITY_MEASURES = ['perplexity', 'cosine'] as const;
export type QualityMeasure = (typeof QUALITY_MEASURES)[number];

/** Both files measured on the same text. Perplexity: lower is better. Cosine: mean of the vectors to those of the source, so `source` is 1. */
export interface KeptQuality {
  readonly measure: QualityMeasure;
  readonly source: number;
  readonly derived: number;
}

export interface QuantizeRequest {
  /** Model and variant, for messages. */
  readonly model: string;
  readonly variant: string;
  /** Absolute path of the source's weights. */
  readonly from: string;
  /** Absolute path of the file to write. Nothing of it may be used unless the call succeeds. */
  readonly to: string;
  readonly quantization: Quantization;
  readonly measure: QualityMeasure;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

/**
 * Writes weights in another quantisation and measures what that cost.
 * @throws EdgeError `E_QUALITY_LOST` with both numbers when it cost too much, `E_MODEL_CORRUPT`, `E_MODEL_LOAD`, `E_DISK_FULL`,
 * `E_UNSUPPORTED` where there is no library for this platform, `E_ENGINE_CRASHED`, `E_CANCELLED`.
 */
export type Quantize = (request: QuantizeRequest) => Promise<KeptQuality>;
