import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStrings } from '#edge/core/stop-strings.ts';

function run(stops: readonly string[], pieces: readonly string[]): { text: string; stopped: boolean } {
  const scanner = new StopStrings(stops);
  let text = '';
  for (const piece of pieces) {
    const shown = scanner.push(piece);
    text += shown.text;
    if (shown.stopped) return { text, stopped: true };
  }
  return { text: text + scanner.flush(), stopped: false };
}

describe('StopStrings', () => {
  it('holds back what may begin a stop string, and no more', () => {
    const scanner = new StopStrings(['</s>', 'END']);
    expect(scanner.push('Hello <')).toEqual({ text: 'Hello ', stopped: false });
    expect(scanner.push('b> E')).toEqual({ text: '<b> ', stopped: false });
    expect(scanner.push('N')).toEqual({ text: '', stopped: false });
    expect(scanner.push('D of it')).toEqual({ text: '', stopped: true });
    expect(scanner.flush()).toBe('');
  });

  it('ends before the first of several that are complete', () => {
    expect(run(['late', 'mid'], ['so mid then late'])).toEqual({ text: 'so ', stopped: true });
  });

  it('shows everything when there are none', () => {
    expect(run([], ['a', 'b'])).toEqual({ text: 'ab', stopped: false });
  });

  it('shows the text before the first stop string, however the text is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(letters), stop, (pieces, only) => {
        const whole = pieces.join('');
        const at = whole.indexOf(only);
        expect(run([only], pieces)).toEqual({ text: at < 0 ? whole : whole.slice(0, at), stopped: at >= 0 });
      }),
    );
  });
});
