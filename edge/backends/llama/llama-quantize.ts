/** The main process's side of the quantiser: a child process for one job, which may crash or be killed without harm. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Progress } from '#edge/contracts/progress.ts';
import type { KeptQuality, Quantize, QuantizeRequest } from '#edge/contracts/quantize.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { SupervisedChild } from '#edge/core/process/child.ts';

/** What the child serves. */
export type QuantizeMethods = {
  readonly quantize: { readonly params: Omit<QuantizeRequest, 'signal' | 'onProgress'>; readonly result: KeptQuality };
};

/** What the child may call in the main process. */
export type QuantizeHostMethods = {
  readonly progress: { readonly params: Progress; readonly result: undefined };
};

/** A derived variant may have at most this perplexity, as a multiple of its source's ... */
const MOST_PERPLEXITY = 1.01;
/** ... or vectors of at least this mean cosine to its source's, the limit of golden cases too. */
const LEAST_COSINE = 0.99;

/**
 * Makes the function that writes GGUF weights in another quantisation, and refuses a result that lost too much.
 * @param environment Environment of the child.
 */
export function llamaQuantizer(environment: Readonly<Record<string, string | undefined>>, log: Logger): Quantize {
  return async ({ signal, onProgress, ...params }) => {
    const child = new SupervisedChild<QuantizeMethods, QuantizeHostMethods>({
      name: `quantiser of ${params.model}`,
      entry: fileURLToPath(new URL(`./llama-quantize-main${extname(import.meta.url)}`, import.meta.url)),
      args: [params.model, params.quantization],
      env: environment,
      handlers: {
        progress: async (progress) => {
          onProgress(progress);
          return undefined;
        },
      },
      log,
    });
    try {
      const kept = await child.lease((peer) => peer.call('quantize', params, { signal }));
      requireQuality(kept, params);
      return kept;
    } finally {
      // Not before its end does the caller touch the file that the child may still write.
      await child.stop(0);
    }
  };
}

/** @throws EdgeError `E_QUALITY_LOST` with both numbers; a number that is none is a loss too. */
export function requireQuality(
  { measure, source, derived }: KeptQuality,
  { model, quantization }: Pick<QuantizeRequest, 'model' | 'quantization'>,
): void {
  const isKept = measure === 'perplexity' ? derived <= source * MOST_PERPLEXITY : derived >= LEAST_COSINE;
  if (isKept) return;
  const expected =
    measure === 'perplexity'
      ? `a perplexity of at most ${(source * MOST_PERPLEXITY).toFixed(2)}, 1 % above the ${source.toFixed(2)} of its source`
      : `vectors of at least cosine ${LEAST_COSINE} to those of its source`;
  throw new EdgeError('E_QUALITY_LOST', {
    what: `${model} in ${quantization} lost too much`,
    expected,
    found: derived.toFixed(measure === 'perplexity' ? 2 : 4),
    details: { measure, source, derived },
  });
}
