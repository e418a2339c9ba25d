import { describe, expect, it } from 'vitest';
import { applyChunk, EMPTY_ANSWER } from '#apps/web/src/state/answer.ts';
import { delta, ending, QUOTED, REFUNDS, RETURNS } from '#test/support/chat-script.ts';

describe('an answer from chunks', () => {
  it('waits until the first text and keeps every extra', () => {
    const chunks = [delta('', { status: 'Searching' }), delta('30 days '), delta('[1].'), ending(QUOTED)];
    const states = chunks.map((_, count) => chunks.slice(0, count + 1).reduce(applyChunk, EMPTY_ANSWER));
    expect(states.map((answer) => answer.state)).toEqual(['waiting', 'streaming', 'streaming', 'streaming']);
    expect(states.at(-1)).toMatchObject({ text: '30 days [1].', rung: 'quote', sessionId: 'se-tent', citations: [RETURNS, REFUNDS] });
  });

  it('keeps a citation once, in order, and the one that came first', () => {
    const early = { ...RETURNS };
    const chunks = [delta('a', { citations: [REFUNDS] }), delta('b', { citations: [early] }), ending({ citations: [RETURNS, REFUNDS] })];
    const { citations } = chunks.reduce(applyChunk, EMPTY_ANSWER);
    expect(citations.map(({ number }) => number)).toEqual([1, 2]);
    expect(citations[0]).toBe(early);
  });

  it('bears chunks without choices or extras', () => {
    expect(applyChunk(EMPTY_ANSWER, {})).toEqual(EMPTY_ANSWER);
    expect(applyChunk(EMPTY_ANSWER, { choices: [] })).toEqual(EMPTY_ANSWER);
  });
});
