/** One turn of a conversation, as every chat API knows it. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
}

/** How the next token is drawn. Every field is optional; an absent one leaves the engine's documented default. */
export interface SamplingOptions {
  /** 0 is greedy. Range 0..2. Defaults to 0.7. */
  readonly temperature?: number;
  /** Nucleus mass, 0..1. Defaults to 0.95. */
  readonly topP?: number;
  /** Defaults to 40; 0 switches it off. */
  readonly topK?: number;
  /** Minimum probability relative to the best token, 0..1. Defaults to 0.05. */
  readonly minP?: number;
  /** Same seed, same model, same prompt, same thread count: same text. */
  readonly seed?: number;
  /** Penalty for repeated tokens, 1 = none. Defaults to 1.1. */
  readonly repeatPenalty?: number;
}

/** A generation. Exactly one of `messages` and `prompt` is given. */
export interface GenerateRequest {
  readonly model: string;
  /** Rendered by the chat template that the model file carries. */
  readonly messages?: readonly ChatMessage[];
  /** Raw text, no template. */
  readonly prompt?: string;
  /** Upper bound on new tokens. Defaults to what is left of the context. */
  readonly maxTokens?: number;
  /** Generation ends before any of these. At most 16. */
  readonly stop?: readonly string[];
  readonly sampling?: SamplingOptions;
  /** GBNF grammar that the text must follow. */
  readonly grammar?: string;
  /** JSON Schema that the text must follow; compiled to a grammar by the engine. */
  readonly jsonSchema?: Readonly<Record<string, unknown>>;
}

/** Token counts of one answer. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Part of `promptTokens` that came out of the prefix cache. */
  readonly cachedTokens: number;
}

export const NO_USAGE: Usage = Object.freeze({ promptTokens: 0, completionTokens: 0, cachedTokens: 0 });
