import { expect, test } from 'vitest';
import { isSupportedBy } from '#agent/bots/qa/support-check.ts';

const PASSAGE = 'Tents have a warranty of 5 years. The warranty covers faults of material and making. It does not cover wear.';

test.each([
  ['Tents have a warranty of five years.', false],
  ['Tents have a warranty of 5 years that covers faults of material.', true],
  ['The warranty of tents covers faults of material and making.', true],
  ['Tents have a warranty of 7 years.', false],
  ['The warranty of tents is given by Ada Quill.', false],
  ['You may return a faulty tent for a full refund or open it again in the future.', false],
  ['The warranty covers faults of material. The warranty covers faults of material.', false],
  ['The passage is a summary of the original text.', false],
  ['', false],
])('%j is supported: %s', (text, expected) => {
  expect(isSupportedBy(text, PASSAGE)).toBe(expected);
});
