import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeIssue, describeProblem } from '#edge/core/schema-issue.ts';

const schema = z.strictObject({
  threads: z.number().int().min(0).max(64).optional(),
  above: z.number().positive().optional(),
  profile: z.enum(['latency', 'battery']).optional(),
  on: z.boolean().optional(),
  keys: z.array(z.string().min(16)).min(1).optional(),
  place: z.strictObject({ url: z.url() }).optional(),
  odd: z
    .number()
    .refine((value) => value % 2 === 1, 'an even number')
    .optional(),
});

function problemsOf(value: unknown): readonly string[] {
  return schema.safeParse(value, { reportInput: true }).error?.issues.map(describeIssue) ?? [];
}

describe('a wrong value', () => {
  it.each<[string, unknown, string]>([
    ['a text for a number', { threads: 'four' }, 'threads: expected a number, found other text'],
    ['a broken number', { threads: 1.5 }, 'threads: expected a whole number, found 1.5'],
    ['too little', { threads: -1 }, 'threads: expected at least 0, found -1'],
    ['too much', { threads: 65 }, 'threads: expected at most 64, found 65'],
    ['nothing of something', { above: 0 }, 'above: expected more than 0, found 0'],
    ['another word', { profile: 'speed' }, 'profile: expected one of latency, battery, found other text'],
    ['null', { on: null }, 'on: expected true or false, found null'],
    ['a number for a flag', { on: 1 }, 'on: expected true or false, found 1'],
    ['no list', { keys: { a: 1 } }, 'keys: expected a list, found an object'],
    ['an empty list', { keys: [] }, 'keys: expected at least 1 entry'],
    ['a name that is none', { thread: 1, x: 2 }, '(whole): there is no "thread", "x" here'],
    ['something missing', { place: {} }, 'place.url: missing: expected text'],
    ['no address', { place: { url: 'here' } }, 'place.url: expected an address such as https://example.org'],
    ['what only its schema knows', { odd: 2 }, 'odd: an even number'],
    ['a list instead of it all', [], '(whole): expected an object, found a list'],
  ])('is told in a sentence: %s', (_, value, sentence) => {
    expect(problemsOf(value)).toEqual([sentence]);
  });

  it('is never quoted where it may be a secret', () => {
    expect(problemsOf({ keys: ['hunter2'] })).toEqual(['keys.0: expected at least 16 characters']);
  });

  it('is told without its place too', () => {
    const issue = schema.safeParse({ on: 3 }, { reportInput: true }).error?.issues[0];
    expect(issue && describeProblem(issue)).toBe('expected true or false, found 3');
  });
});
