import { describe, expect, it } from 'vitest';
import { ThreadGovernor } from '#edge/backends/llama/llama-threads.ts';

/** A machine whose steps take what `stepMs` says for a number of threads; time passes with the steps. */
function machine(stepMs: (threads: number) => number, max = 2) {
  let now = 0;
  const governor = new ThreadGovernor(max, () => now);
  return {
    governor,
    run(steps: number): number {
      const startedAt = now;
      for (let step = 0; step < steps; step++) {
        const ms = stepMs(governor.threads);
        now += ms;
        governor.observe(ms);
      }
      return now - startedAt;
    },
    sleep: (ms: number) => {
      now += ms;
    },
    set: (next: (threads: number) => number) => {
      stepMs = next;
    },
  };
}

const quiet = (threads: number): number => (threads === 2 ? 8 : 13);
const busy = (threads: number): number => (threads === 2 ? 500 : 16);

describe('ThreadGovernor', () => {
  it('leaves a quiet machine alone', () => {
    const { governor, run } = machine(quiet);
    run(500);
    expect(governor.threads).toBe(2);
  });

  it('goes to one thread when a neighbour stalls two, at once', () => {
    const { governor, run, set } = machine(quiet);
    run(20);
    set(busy);
    run(2);
    expect(governor.threads).toBe(1);
    run(20);
    expect(governor.threads).toBe(1);
  });

  it('does so as well when it never saw the machine quiet', () => {
    const { governor, run } = machine(busy);
    run(3);
    expect(governor.threads).toBe(1);
  });

  it('looks again, less and less often, and costs little while the neighbour stays', () => {
    const { governor, run } = machine(busy);
    const busyMs = run(5000);
    expect(governor.threads).toBe(1);
    expect(busyMs / 5000).toBeLessThan(busy(1) * 1.25);
  });

  it('takes all threads again once the neighbour is gone', () => {
    const { governor, run, set } = machine(busy);
    run(50);
    set(quiet);
    run(3000);
    expect(governor.threads).toBe(2);
  });

  it('keeps all threads on a slow board where one would be slower still', () => {
    const { governor, run } = machine((threads) => (threads === 4 ? 200 : 600), 4);
    run(200);
    expect(governor.threads).toBe(4);
  });

  it('has nothing to choose with one thread', () => {
    const { governor, run } = machine(() => 1000, 1);
    run(100);
    expect(governor.threads).toBe(1);
  });
});
