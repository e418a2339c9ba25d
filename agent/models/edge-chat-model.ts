import type { BaseLanguageModelInput, StructuredOutputMethodOptions } from '@langchain/core/language_models/base';
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type LangSmithParams,
} from '@langchain/core/language_models/chat_models';
import { assembleStructuredOutputPipeline, createContentParser } from '@langchain/core/language_models/structured_output';
import { AIMessage, AIMessageChunk, type BaseMessage, type UsageMetadata } from '@langchain/core/messages';
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs';
import type { Runnable } from '@langchain/core/runnables';
import { toJsonSchema } from '@langchain/core/utils/json_schema';
import { isInteropZodSchema } from '@langchain/core/utils/types';
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { ChatMessage, GenerateRequest, SamplingOptions, Usage } from '#edge/contracts/generate.ts';
import type { ResponseEnd } from '#edge/contracts/parts.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { abortError } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';

export interface EdgeChatModelFields extends BaseChatModelParams {
  readonly runtime: RuntimePort;
  /** Model id of the catalog, or a task name. Defaults to `generate`: the device's own choice. */
  readonly model?: string;
  /** Upper bound on new tokens. Defaults to what is left of the context. */
  readonly maxTokens?: number;
  readonly sampling?: SamplingOptions;
}

export interface EdgeChatModelCallOptions extends BaseChatModelCallOptions {
  readonly maxTokens?: number;
  readonly sampling?: SamplingOptions;
  /** GBNF grammar that the text must follow. */
  readonly grammar?: string;
  /** JSON Schema that the text must follow. */
  readonly jsonSchema?: Readonly<Record<string, unknown>>;
}

const ROLES: Readonly<Record<string, ChatMessage['role']>> = { system: 'system', human: 'user', ai: 'assistant', tool: 'tool' };

/** The device's models as a LangChain chat model: one `RuntimePort.generate` a call. */
export class EdgeChatModel extends BaseChatModel<EdgeChatModelCallOptions> {
  readonly #runtime: RuntimePort;
  readonly model: string;
  readonly maxTokens: number | undefined;
  readonly sampling: SamplingOptions;

  constructor(fields: EdgeChatModelFields) {
    super(fields);
    this.#runtime = fields.runtime;
    this.model = fields.model ?? 'generate';
    this.maxTokens = fields.maxTokens;
    this.sampling = fields.sampling ?? {};
  }

  static override lc_name(): string {
    return 'EdgeChatModel';
  }

  override _llmType(): string {
    return 'nearside';
  }

  override get callKeys(): string[] {
    return [...super.callKeys, 'maxTokens', 'sampling', 'grammar', 'jsonSchema'];
  }

  override getLsParams(options: this['ParsedCallOptions']): LangSmithParams {
    const { temperature } = { ...this.sampling, ...options.sampling };
    const maxTokens = options.maxTokens ?? this.maxTokens;
    return {
      ls_provider: 'nearside',
      ls_model_name: this.model,
      ls_model_type: 'chat',
      ...(temperature === undefined ? {} : { ls_temperature: temperature }),
      ...(maxTokens === undefined ? {} : { ls_max_tokens: maxTokens }),
      ...(options.stop ? { ls_stop: options.stop } : {}),
    };
  }

  override invocationParams(options: this['ParsedCallOptions']): Omit<GenerateRequest, 'messages' | 'prompt'> {
    const maxTokens = options.maxTokens ?? this.maxTokens;
    return {
      model: this.model,
      sampling: { ...this.sampling, ...options.sampling },
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(options.stop ? { stop: options.stop } : {}),
      ...(options.grammar === undefined ? {} : { grammar: options.grammar }),
      ...(options.jsonSchema ? { jsonSchema: options.jsonSchema } : {}),
    };
  }

  override async _generate(messages: BaseMessage[], options: this['ParsedCallOptions']): Promise<ChatResult> {
    let text = '';
    for await (const part of this.#parts(messages, options)) {
      if (part.type === 'text-delta') text += part.text;
      if (part.type === 'response-end') {
        const message = new AIMessage({ content: text, response_metadata: responseMetadata(this.model, part) });
        Object.assign(message, usageMetadata(part.usage));
        return { generations: [{ text, message, generationInfo: { finish_reason: part.finishReason } }] };
      }
    }
    throw this.#cutStream();
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: Parameters<BaseChatModel['_streamResponseChunks']>[2],
  ): AsyncGenerator<ChatGenerationChunk> {
    for await (const part of this.#parts(messages, options)) {
      if (part.type === 'text-delta') {
        const chunk = new ChatGenerationChunk({ text: part.text, message: new AIMessageChunk(part.text) });
        yield chunk;
        await runManager?.handleLLMNewToken(part.text, undefined, undefined, undefined, undefined, { chunk });
      }
      if (part.type === 'response-end') {
        const message = new AIMessageChunk({ content: '', response_metadata: responseMetadata(this.model, part) });
        Object.assign(message, usageMetadata(part.usage));
        yield new ChatGenerationChunk({ text: '', message, generationInfo: { finish_reason: part.finishReason } });
        return;
      }
    }
    throw this.#cutStream();
  }

  /** @throws EdgeError `E_UNSUPPORTED` always: small models call tools badly; use {@link withStructuredOutput}. */
  override bindTools(): never {
    throw new EdgeError('E_UNSUPPORTED', {
      what: `cannot bind tools to "${this.model}"`,
      expected: 'a call without tools',
      found: 'tools',
      hint: 'Use withStructuredOutput(schema): the text then follows the schema by grammar, whatever the size of the model.',
    });
  }

  /** Text that follows a zod or JSON schema by grammar, parsed. `config.method` other than `jsonSchema` throws `E_UNSUPPORTED`. */
  override withStructuredOutput<Output extends Record<string, unknown>>(
    schema: Parameters<typeof createContentParser<Output>>[0],
    config?: StructuredOutputMethodOptions<boolean>,
    // biome-ignore lint/suspicious/noExplicitAny: the base class overloads the return type by `includeRaw`; no narrower type fits all six.
  ): Runnable<BaseLanguageModelInput, any> {
    if (config?.method !== undefined && config.method !== 'jsonSchema') {
      throw new EdgeError('E_UNSUPPORTED', {
        what: 'cannot make structured output',
        expected: 'method "jsonSchema" or none',
        found: `"${config.method}"`,
      });
    }
    const jsonSchema = isInteropZodSchema(schema) || '~standard' in schema ? toJsonSchema(schema as never) : schema;
    const model = this.withConfig({ jsonSchema: jsonSchema as Readonly<Record<string, unknown>> });
    return assembleStructuredOutputPipeline(model, createContentParser(schema), config?.includeRaw ?? false);
  }

  async *#parts(messages: BaseMessage[], options: this['ParsedCallOptions']): ReturnType<RuntimePort['generate']> {
    const { signal } = options;
    if (signal?.aborted) throw abortError(signal, 'generation');
    const request: GenerateRequest = { ...this.invocationParams(options), messages: messages.map(toChatMessage) };
    const callOptions: CallOptions = signal ? { signal } : {};
    yield* this.#runtime.generate(request, callOptions);
  }

  #cutStream(): EdgeError {
    return new EdgeError('E_ENGINE_CRASHED', {
      what: `answer of "${this.model}" was cut`,
      expected: 'a response-end part',
      found: 'the end of the stream',
    });
  }
}

/**
 * A LangChain message as a chat message.
 * @throws EdgeError `E_UNSUPPORTED` for content that is not text and for roles that no chat template knows.
 */
export function toChatMessage(message: BaseMessage): ChatMessage {
  const role = ROLES[message.type];
  if (!role) {
    throw new EdgeError('E_UNSUPPORTED', {
      what: 'cannot send a message',
      expected: `a type of ${Object.keys(ROLES).join(', ')}`,
      found: message.type,
    });
  }
  const foreign = Array.isArray(message.content) ? message.content.find((block) => block.type !== 'text') : undefined;
  if (foreign) {
    throw new EdgeError('E_UNSUPPORTED', { what: 'cannot send a message', expected: 'text content', found: `a ${foreign.type} block` });
  }
  return { role, content: message.text };
}

/** Assigned after construction, because the library's inferred constructor types forbid it under `exactOptionalPropertyTypes`. */
function usageMetadata(usage: Usage): { usage_metadata: UsageMetadata } {
  return {
    usage_metadata: {
      input_tokens: usage.promptTokens,
      output_tokens: usage.completionTokens,
      total_tokens: usage.promptTokens + usage.completionTokens,
      input_token_details: { cache_read: usage.cachedTokens },
    },
  };
}

function responseMetadata(model: string, end: ResponseEnd): Record<string, unknown> {
  return {
    model_provider: 'nearside',
    model_name: end.engine?.model ?? model,
    finish_reason: end.finishReason,
    timings: end.timings,
    ...(end.engine ? { engine: end.engine } : {}),
  };
}
