import type { OnProgress } from './progress.ts';

/** Quantisations that weights can be made in on a device, by llama.cpp's names. */
export const QUANTIZATIONS = ['BF16', 'F16', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q4_0'] as const;
export type Quantization = (typeof QUANTIZATIONS)[number];

/** What a quantisation is like. */
export interface QuantizationFacts {
  /** Bits a weight on average, as llama.cpp's tools/quantize/README.md gives them. */
  readonly bits: number;
  /** True when processors compute with it as it is, or after an arrangement at load: worth more memory than the source takes. */
  readonly isDirect: boolean;
  /** What it is good for, in a line. */
  readonly use: string;
}

export const QUANTIZATION_FACTS: Readonly<Record<Quantization, QuantizationFacts>> = {
  BF16: { bits: 16, isDirect: true, use: 'fastest prompts where the CPU has BF16 instructions; large' },
  F16: { bits: 16, isDirect: true, use: 'for GPUs and ARM CPUs with FP16 arithmetic; large' },
  Q8_0: { bits: 8.5, isDirect: true, use: 'nearly lossless, and fast on every CPU' },
  Q6_K: { bits: 6.56, isDirect: false, use: 'nearly lossless, smaller than Q8_0' },
  Q5_K_M: { bits: 5.7, isDirect: false, use: 'small, with little loss' },
  Q4_K_M: { bits: 4.89, isDirect: false, use: 'the usual choice for small memory' },
  Q4_0: { bits: 4.66, isDirect: true, use: 'smallest and fastest; loses most, above all from another 4-bit file' },
};

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
  /** For messages. */
  readonly model: string;
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
 * @throws EdgeError `E_QUALITY_LOST` with both numbers when it cost too much, `E_MODEL_NOT_STORED`, `E_MODEL_CORRUPT`, `E_MODEL_LOAD`, `E_DISK_FULL`,
 * `E_UNSUPPORTED` where there is no library for this platform, `E_ENGINE_CRASHED`, `E_CANCELLED`.
 */
export type Quantize = (request: QuantizeRequest) => Promise<KeptQuality>;
