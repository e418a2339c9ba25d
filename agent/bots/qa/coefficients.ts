import coefficients from './coefficients.json' with { type: 'json' };
import type { LinearModel } from './linear-model.ts';

/** How sure the bot must be before it answers; the `agent.strictness` setting. */
export const STRICTNESS = ['strict', 'balanced', 'helpful'] as const;
export type Strictness = (typeof STRICTNESS)[number];

/** Probability that the documents hold the answer, and from where on each level answers. */
export interface ConfidenceModel extends LinearModel {
  readonly thresholds: Readonly<Record<Strictness, number>>;
}

/** What `scripts/eval-qa.ts --calibrate` learns from questions with known answers. */
export interface QaCoefficients {
  /** Embedding model whose vectors the dense features of {@link confidence} were measured on. */
  readonly embedModel: string;
  /** Which sentence of the passages holds the answer. */
  readonly sentences: LinearModel;
  readonly confidence: ConfidenceModel;
  /** For any other embedding model: words only. */
  readonly lexicalConfidence: ConfidenceModel;
}

/** The committed coefficients, read once. */
export const QA_COEFFICIENTS: QaCoefficients = coefficients;
