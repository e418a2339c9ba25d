import { type Signal, signal } from '@preact/signals';
import type { SessionInfo } from '#edge/contracts/bot.ts';
import type { ChatMessage } from '#edge/contracts/generate.ts';
import type { DeviceApi } from '../api/device-api.ts';
import { DeviceError } from '../api/device-error.ts';
import { type Answer, applyChunk, EMPTY_ANSWER } from './answer.ts';

/**
 * Milliseconds between two paintings of a growing answer. Painting, not parsing, is what slow machines miss frames on:
 * at this interval a CPU slowed fourfold misses 9-12 % of them, painting each token 41-51 %.
 */
const FLUSH_MS = 80;

/** A question and what became of it. */
export interface Turn {
  readonly id: number;
  readonly question: string;
  /** Who was asked: `bot/qa`, or the id of a chat model. */
  readonly target: string;
  readonly answer: Signal<Answer>;
}

/** The conversation on the screen: asks, stops, retries, and tells a screen reader what happens. */
export class Conversation {
  /** `bot/qa`, or the id of a chat model. */
  readonly target = signal('bot/qa');
  readonly turns = signal<readonly Turn[]>([]);
  readonly busy = signal(false);
  /** Names the session that the device remembers; absent for plain models, whose conversation lives in this page. */
  readonly sessionId = signal<string | undefined>(undefined);
  /** One short sentence a change, for `role=status`; never the text of an answer. */
  readonly announcement = signal('');
  readonly #api: DeviceApi;
  readonly #onRemembered: (sessionId: string) => void;
  #running: AbortController | undefined;
  #nextId = 1;

  /** `onRemembered` is called after each answer that the device stored in a session. */
  constructor(api: DeviceApi, onRemembered: (sessionId: string) => void) {
    this.#api = api;
    this.#onRemembered = onRemembered;
  }

  /** Changes who answers. Bots remember conversations of their own, so a change from or to one begins a new one. */
  choose(target: string): void {
    if (target === this.target.value) return;
    if (target.startsWith('bot/') || this.target.value.startsWith('bot/')) this.reset();
    this.target.value = target;
  }

  /** Begins a new conversation. */
  reset(): void {
    this.stop();
    this.turns.value = [];
    this.sessionId.value = undefined;
  }

  /** Shows a remembered conversation. */
  async open(id: string, info: Partial<SessionInfo> = {}): Promise<void> {
    const { session, messages } = await this.#api.readSession(id);
    this.reset();
    const bot = info.bot ?? session?.bot;
    if (bot) this.target.value = `bot/${bot}`;
    this.sessionId.value = id;
    this.turns.value = this.#turnsOf(messages);
    this.announcement.value = 'Conversation opened';
  }

  /** Asks and resolves when the answer has ended, well or not. Does nothing while another answer runs. */
  async ask(question: string): Promise<void> {
    const text = question.trim();
    if (text === '' || this.busy.value) return;
    // A session remembers what was said before.
    const history = this.sessionId.value === undefined ? this.#messages() : [];
    const turn = this.#turn(text, EMPTY_ANSWER);
    this.turns.value = [...this.turns.value, turn];
    this.announcement.value = 'The answer is being written';
    await this.#run(turn, [...history, { role: 'user', content: text }]);
  }

  /** Ends the running answer; what was written stays. */
  stop(): void {
    this.#running?.abort();
  }

  /** Asks the last question again in place of its failed or stopped answer. */
  async retry(): Promise<void> {
    const last = this.turns.value.at(-1);
    if (!last || this.busy.value) return;
    this.turns.value = this.turns.value.slice(0, -1);
    await this.ask(last.question);
  }

  async #run(turn: Turn, messages: readonly ChatMessage[]): Promise<void> {
    const abort = new AbortController();
    this.#running = abort;
    this.busy.value = true;
    const final = await this.#stream(turn, messages, abort.signal);
    turn.answer.value = final;
    if (this.#running !== abort) return;
    this.#running = undefined;
    this.busy.value = false;
    // After reset() the turn is gone from the screen, and its session must not come back.
    if (!this.turns.value.includes(turn)) return;
    this.announcement.value = announcementOf(final);
    if (final.sessionId === undefined) return;
    this.sessionId.value = final.sessionId;
    this.#onRemembered(final.sessionId);
  }

  async #stream(turn: Turn, messages: readonly ChatMessage[], signal: AbortSignal): Promise<Answer> {
    const started = performance.now();
    let firstTokenMs: number | undefined;
    let answer = EMPTY_ANSWER;
    let flush: ReturnType<typeof setTimeout> | undefined;
    const request = { model: turn.target, messages, ...(this.sessionId.value ? { sessionId: this.sessionId.value } : {}) };
    try {
      for await (const chunk of this.#api.chat(request, signal)) {
        answer = applyChunk(answer, chunk);
        if (answer.text !== '') firstTokenMs ??= performance.now() - started;
        flush ??= setTimeout(() => {
          flush = undefined;
          turn.answer.value = answer;
        }, FLUSH_MS);
      }
      const measured = { totalMs: performance.now() - started, ...(firstTokenMs === undefined ? {} : { firstTokenMs }) };
      return { ...answer, state: 'complete', timings: answer.timings ?? measured };
    } catch (error) {
      if (signal.aborted) return { ...answer, state: 'stopped' };
      return { ...answer, state: 'failed', error: DeviceError.from(error) };
    } finally {
      clearTimeout(flush);
    }
  }

  #messages(): ChatMessage[] {
    return this.turns.value.flatMap(({ question, answer }): ChatMessage[] =>
      answer.value.text === ''
        ? []
        : [
            { role: 'user', content: question },
            { role: 'assistant', content: answer.value.text },
          ],
    );
  }

  #turnsOf(messages: readonly ChatMessage[]): Turn[] {
    const turns: Turn[] = [];
    for (const message of messages) {
      if (message.role === 'user') turns.push(this.#turn(message.content, { ...EMPTY_ANSWER, state: 'stopped' }));
      const last = turns.at(-1);
      if (message.role === 'assistant' && last) {
        const before = last.answer.value.text;
        const text = before === '' ? message.content : `${before}\n\n${message.content}`;
        last.answer.value = { ...EMPTY_ANSWER, state: 'complete', text };
      }
    }
    return turns;
  }

  #turn(question: string, answer: Answer): Turn {
    return { id: this.#nextId++, question, target: this.target.value, answer: signal(answer) };
  }
}

function announcementOf(answer: Answer): string {
  if (answer.state === 'failed') return 'The answer failed';
  if (answer.state === 'stopped') return 'The answer was stopped';
  const sources = answer.citations.length;
  return sources === 0 ? 'Answer complete' : `Answer complete, with ${sources} ${sources === 1 ? 'source' : 'sources'}`;
}
