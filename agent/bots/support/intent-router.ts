import type { CallOptions } from '#edge/contracts/backend.ts';
import type { EngineRef } from '#edge/contracts/parts.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import type { Flow } from './flow-schema.ts';

/** Cosine below which a message means none of the flows. Set for bge-small on the messages of `intent-router.test.ts`. */
const NEAREST_THRESHOLD = 0.75;
/** Messages that lie near to the flows and mean none of them. */
const COUNTER_EXAMPLES: readonly string[] = [
  'I want to buy a tent',
  'Can you recommend a jacket?',
  'I want to change my address or my password',
  'I want to cancel my order',
  'Tell me a joke',
  'I would like to buy a gift card',
];

export interface Intent {
  readonly flow: string;
  /** The encoder that found it; absent when a rule did. */
  readonly engine?: EngineRef;
}

export interface IntentRouterDependencies {
  readonly runtime: RuntimePort;
  readonly flows: readonly Flow[];
  readonly log: Logger;
}

interface Examples {
  readonly vectors: readonly { readonly flow: string | undefined; readonly vector: Float32Array }[];
  readonly model: string;
}

/** Finds the flow that a message begins: by the flows' own patterns, else by the nearest of their examples. */
export class IntentRouter {
  readonly #dependencies: IntentRouterDependencies;
  readonly #rules: readonly { readonly flow: string; readonly patterns: readonly RegExp[]; readonly topic: RegExp }[];
  #examples: Promise<Examples> | undefined;
  #saidFallback = false;

  constructor(dependencies: IntentRouterDependencies) {
    this.#dependencies = dependencies;
    this.#rules = dependencies.flows.map(({ id, intent }) => ({
      flow: id,
      patterns: intent.patterns.map((pattern) => new RegExp(pattern)),
      topic: new RegExp(intent.topic),
    }));
  }

  /** The flow whose pattern the message matches. */
  byRule(text: string): Intent | undefined {
    const lower = text.toLowerCase().replaceAll('’', "'").trim();
    return this.#rules.find(({ patterns }) => patterns.some((pattern) => pattern.test(lower)));
  }

  /** The flow that a question is about, to be offered. */
  byTopic(text: string): Intent | undefined {
    return this.#rules.find(({ topic }) => topic.test(text.toLowerCase()));
  }

  /** The flow of the nearest example, if it is near enough. Without an encoder none is found, which is said once. */
  async byExample(text: string, options?: CallOptions): Promise<Intent | undefined> {
    try {
      const { vectors, model } = await this.#embedExamples();
      const response = await this.#dependencies.runtime.embed({ model, texts: [text], purpose: 'plain' }, options);
      const target = response.vectors[0] as Float32Array;
      const scored = vectors.map(({ flow, vector }) => ({ flow, score: dot(target, vector) }));
      const best = scored.reduce((a, b) => (b.score > a.score ? b : a));
      return best.flow !== undefined && best.score >= NEAREST_THRESHOLD ? { flow: best.flow, engine: response.engine } : undefined;
    } catch (error) {
      if (!EdgeError.is(error) || error.code === 'E_CANCELLED') throw error;
      if (!this.#saidFallback)
        this.#dependencies.log.warn('intent routing fell back', { from: 'examples', to: 'rules', reason: error.code });
      this.#saidFallback = true;
      return undefined;
    }
  }

  #embedExamples(): Promise<Examples> {
    this.#examples ??= this.#loadExamples().catch((error: unknown) => {
      this.#examples = undefined;
      throw error;
    });
    return this.#examples;
  }

  async #loadExamples(): Promise<Examples> {
    const labelled: { readonly flow: string | undefined; readonly text: string }[] = [
      ...this.#dependencies.flows.flatMap(({ id, intent }) => intent.examples.map((text) => ({ flow: id, text }))),
      ...COUNTER_EXAMPLES.map((text) => ({ flow: undefined, text })),
    ];
    const { vectors, engine } = await this.#dependencies.runtime.embed({
      model: 'classify',
      texts: labelled.map(({ text }) => text),
      purpose: 'plain',
    });
    return { vectors: labelled.map(({ flow }, index) => ({ flow, vector: vectors[index] as Float32Array })), model: engine.model };
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}
