import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { ResponseEnd } from '#edge/contracts/parts.ts';
import type { Rates } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { EngineSubject, Round } from './engine-subject.ts';

const WARM_UP = { prompt: 32, completion: 8 };
/** A round of a quick engine; a slow one gets smaller ones, down to the warm-up's. */
const FULL = { prompt: 256, completion: 48 };
/** Part of the budget that the prompt, and the completion, of one round may take: together two rounds fit. */
const SHARE = { prompt: 0.3, completion: 0.2 };
/** Goes on like this by itself, so that no model ends early. */
const WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

interface Size {
  readonly prompt: number;
  readonly completion: number;
}

/** A small generation tells how much work fits the budget; a round is one prompt that shares no beginning with an earlier one, and a greedy answer. */
export async function prepareGenerator(subject: EngineSubject, budgetMs: number): Promise<Round> {
  const run = (size: Size, index: number): Promise<Rates> => generate(subject, size, index);
  const { prefill = 0, decode = 0 } = await run(WARM_UP, 0);
  const most = subject.info.contextTokens / 2;
  const sizeFor = (part: keyof Size, rate: number): number => {
    const affordable = (rate * SHARE[part] * budgetMs) / 1000;
    return Math.round(Math.min(most, Math.max(WARM_UP[part], Math.min(FULL[part], affordable))));
  };
  const size = { prompt: sizeFor('prompt', prefill), completion: sizeFor('completion', decode) };
  let rounds = 0;
  return () => run(size, ++rounds);
}

async function generate({ engine, info, options }: EngineSubject, size: Size, index: number): Promise<Rates> {
  const request: GenerateRequest = {
    model: info.model,
    prompt: promptOf(size.prompt, index),
    maxTokens: size.completion,
    sampling: { temperature: 0, repeatPenalty: 1, seed: 1 },
  };
  for await (const part of engine.generate(request, options)) if (part.type === 'response-end') return ratesOf(part);
  throw new EdgeError('E_INTERNAL', {
    what: `measuring ${info.model}`,
    expected: 'a stream that ends with its last part',
    found: 'one without',
  });
}

/** The first word differs from round to round: nothing of the prompt comes out of the prefix cache. */
function promptOf(tokens: number, index: number): string {
  return Array.from({ length: tokens }, (_, i) => WORDS[(index + i) % WORDS.length]).join(' ');
}

/** The engine's own timings; a rate that it could not observe, as the decoding of a single token, is left out. */
function ratesOf({ usage, timings }: ResponseEnd): Rates {
  const { prefillMs = 0, tokensPerSecond } = timings;
  const read = usage.promptTokens - usage.cachedTokens;
  return {
    ...(prefillMs > 0 && read > 0 ? { prefill: (read * 1000) / prefillMs } : {}),
    ...(tokensPerSecond === undefined ? {} : { decode: tokensPerSecond }),
  };
}
