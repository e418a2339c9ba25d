/**
 * Chooses between all threads and one while tokens are decoded. ggml's workers wait for each other at a spin barrier in
 * every layer, so one busy neighbour on one core stalls them all: measured on two cores, a compiler beside the engine took
 * two threads from 164 to 0.5 tokens a second, while one thread kept half of its speed.
 */

/** Steps that a judgement rests on. */
const STEPS = 4;
/** Slower than this share of the best speed seen is suspicious. */
const SUSPICIOUS = 2.5;
/** Two steps that are this much slower need no third; a single one is noise. */
const HOPELESS = 8;
/** What a step may take before anything is known of the model. */
const UNKNOWN_BEST_MS = 30;
/** One thread must win by this much, so that noise does not switch. */
const WIN = 1.3;
const FIRST_HOLD_MS = 2000;
const LONGEST_HOLD_MS = 30_000;

type Mode = 'all' | 'trying-one' | 'one' | 'trying-all';

export class ThreadGovernor {
  readonly #max: number;
  readonly #now: () => number;
  #mode: Mode = 'all';
  #steps: number[] = [];
  #bestMs = UNKNOWN_BEST_MS;
  /** What a step of the other setting took, when it was left. */
  #otherMs = 0;
  #holdMs = FIRST_HOLD_MS;
  #holdUntil = 0;

  /** @param max - threads of the plan; with one there is nothing to choose */
  constructor(max: number, now: () => number = () => performance.now()) {
    this.#max = max;
    this.#now = now;
  }

  /** Threads that the next step should use. */
  get threads(): number {
    return this.#mode === 'all' || this.#mode === 'trying-all' ? this.#max : 1;
  }

  /** True once one thread has proved better, until all threads do again. */
  get isOneBetter(): boolean {
    return this.#mode === 'one' || this.#mode === 'trying-all';
  }

  /** Takes in that a decode step with {@link threads} took `ms`. */
  observe(ms: number): void {
    if (this.#max === 1) return;
    this.#steps.push(ms);
    if (this.#steps.length > STEPS) this.#steps.shift();
    switch (this.#mode) {
      case 'all':
        this.#bestMs = Math.min(this.#bestMs, ms);
        if (this.#now() >= this.#holdUntil) this.#suspect();
        break;
      case 'trying-one':
        if (ms >= this.#otherMs) this.#acceptAll();
        else if (this.#steps.length === STEPS) median(this.#steps) * WIN < this.#otherMs ? this.#enter('one') : this.#acceptAll();
        break;
      case 'one':
        if (this.#now() >= this.#holdUntil) this.#enter('trying-all');
        break;
      case 'trying-all':
        if (ms > this.#otherMs * 2) this.#giveUp();
        else if (this.#steps.length >= STEPS / 2) median(this.#steps) <= this.#otherMs ? this.#recover() : this.#giveUp();
        break;
    }
  }

  /** Tries one thread when the last steps were too slow. */
  #suspect(): void {
    const hopelessMs = Math.min(...this.#steps.slice(-2));
    if (this.#steps.length >= 2 && hopelessMs > HOPELESS * this.#bestMs) this.#enter('trying-one', hopelessMs);
    else if (this.#steps.length === STEPS && median(this.#steps) > SUSPICIOUS * this.#bestMs) this.#enter('trying-one');
  }

  /** One thread is no better: what all threads take is what this machine takes just now. */
  #acceptAll(): void {
    this.#bestMs = this.#otherMs;
    this.#holdMs = Math.min(LONGEST_HOLD_MS, this.#holdMs * 2);
    this.#enter('all');
  }

  #recover(): void {
    this.#holdMs = FIRST_HOLD_MS;
    this.#enter('all');
  }

  /** All threads are still slow: the next look is twice as far away. */
  #giveUp(): void {
    this.#holdMs = Math.min(LONGEST_HOLD_MS, this.#holdMs * 2);
    this.#enter('one', this.#otherMs);
  }

  #enter(mode: Mode, otherMs = median(this.#steps)): void {
    this.#otherMs = otherMs;
    this.#steps = [];
    this.#mode = mode;
    this.#holdUntil = this.#now() + this.#holdMs;
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
