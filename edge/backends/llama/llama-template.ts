/** Prompts as tokens: a chat by the model's own template, or raw text. */
import type { ChatMessage, GenerateRequest } from '#edge/contracts/generate.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { ChatHistory, ChatWrapper, LlamaModel, NativeModel, Token } from './llama-native.ts';

/** No vocabulary has tokens so long on average; a text beyond needs no tokenizer to know that it does not fit. */
const MOST_CHARACTERS_A_TOKEN = 256;

export class PromptTokenizer {
  readonly #model: LlamaModel;
  readonly #wrapper: ChatWrapper;
  readonly #contextTokens: number;

  constructor(native: NativeModel, contextTokens: number) {
    this.#model = native.model;
    this.#wrapper = native.chatWrapper();
    this.#contextTokens = contextTokens;
  }

  /**
   * Tokens of the prompt, room for one more included.
   * @throws EdgeError `E_CONTEXT_OVERFLOW`, or `E_BAD_REQUEST` when the model's template refuses the roles.
   */
  prompt(request: GenerateRequest): readonly Token[] {
    const { messages, prompt = '' } = request;
    this.#refuseHuge(messages ? messages.reduce((sum, message) => sum + message.content.length, 0) : prompt.length);
    const tokens = messages ? this.#chat(messages) : this.#model.tokenize(prompt, true);
    return this.checkFit(this.#withBeginning(tokens));
  }

  /** Tokens of a text that is not followed by a template's signs. @throws EdgeError `E_CONTEXT_OVERFLOW`. */
  plain(text: string, isBeginning: boolean): readonly Token[] {
    this.#refuseHuge(text.length);
    const tokens = this.#model.tokenize(text, false);
    return isBeginning ? this.#withBeginning(tokens) : tokens;
  }

  /** @throws EdgeError `E_CONTEXT_OVERFLOW` unless one more token fits. */
  checkFit(tokens: readonly Token[]): readonly Token[] {
    if (tokens.length + 1 > this.#contextTokens) throw overflow(`${tokens.length} tokens`, this.#contextTokens);
    return tokens;
  }

  #refuseHuge(characters: number): void {
    if (characters > this.#contextTokens * MOST_CHARACTERS_A_TOKEN) throw overflow(`${characters} characters`, this.#contextTokens);
  }

  #chat(messages: readonly ChatMessage[]): Token[] {
    try {
      const { contextText } = this.#wrapper.generateContextState({ chatHistory: toHistory(messages) });
      return contextText.tokenize(this.#model.tokenizer);
    } catch (error) {
      throw new EdgeError('E_BAD_REQUEST', {
        what: 'messages',
        expected: "roles in an order that the model's chat template takes",
        found: messages.map((message) => message.role).join(', '),
        cause: error,
      });
    }
  }

  #withBeginning(tokens: Token[]): readonly Token[] {
    const { bos, shouldPrependBosToken } = this.#model.tokens;
    return shouldPrependBosToken && bos !== null && tokens[0] !== bos ? [bos, ...tokens] : tokens;
  }
}

/**
 * The library's form of a chat. Text of a message is never read as a template's sign. The results of tools are told by
 * the user; an answer that comes last is continued.
 */
function toHistory(messages: readonly ChatMessage[]): ChatHistory {
  const history = messages.map(({ role, content }) => {
    if (role === 'assistant') return { type: 'model' as const, response: [content] };
    return { type: role === 'system' ? ('system' as const) : ('user' as const), text: content };
  });
  return history.at(-1)?.type === 'model' ? history : [...history, { type: 'model', response: [''] }];
}

function overflow(found: string, contextTokens: number): EdgeError {
  return new EdgeError('E_CONTEXT_OVERFLOW', {
    what: 'the prompt is longer than the context',
    expected: `at most ${contextTokens - 1} tokens, so that an answer of one fits the ${contextTokens}`,
    found,
    details: { contextTokens },
  });
}
