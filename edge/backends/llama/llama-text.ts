import type { LlamaModel, Token } from './llama-native.ts';

/** Tokens before the text that the detokenizer looks at, to know whether a space belongs between. */
const LOOK_BACK = 8;

/**
 * Turns generated tokens into text as they come. A character whose bytes are spread over several tokens appears when
 * its last byte does: until then the library shows U+FFFD at the end, which is held back.
 */
export class TokenText {
  readonly #model: LlamaModel;
  #before: readonly Token[];
  #open: Token[] = [];
  #shown = 0;

  constructor(model: LlamaModel, prompt: readonly Token[]) {
    this.#model = model;
    this.#before = prompt.slice(-LOOK_BACK);
  }

  /** The text that is complete with this token. */
  push(token: Token): string {
    this.#open.push(token);
    const text = this.#model.detokenize(this.#open, false, this.#before);
    const whole = text.replace(/\uFFFD+$/, '');
    const fresh = whole.slice(this.#shown);
    this.#shown = whole.length;
    if (whole.length === text.length) {
      this.#before = [...this.#before, ...this.#open].slice(-LOOK_BACK);
      this.#open = [];
      this.#shown = 0;
    }
    return fresh;
  }
}
