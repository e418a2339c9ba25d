import { expect, test } from 'vitest';
import { answerTypeOf, hasAnswerOfType } from '#agent/bots/qa/answer-type.ts';
import { intentOf, standaloneQuestion, summaryTopic } from '#agent/bots/qa/understand.ts';
import type { ChatMessage } from '#edge/contracts/generate.ts';

test.each([
  ['Hello!', 'greeting'],
  ['good morning', 'greeting'],
  ['Thanks a lot', 'thanks'],
  ['What can you do?', 'abilities'],
  ['Please summarise the warranty', 'summary'],
  ['Hello Kitty was drawn by whom?', 'question'],
  ['Thank you notes: how are they sent?', 'question'],
])('%s is a %s', (text, intent) => {
  expect(intentOf(text)).toBe(intent);
});

test('the topic of a summary is what follows the request', () => {
  expect(summaryTopic('Could you summarise the return policy?')).toBe('the return policy');
});

const asked = (content: string): ChatMessage[] => [
  { role: 'user', content },
  { role: 'assistant', content: 'An answer. [1]' },
];

test('a follow-up takes the topic of the question before', () => {
  expect(standaloneQuestion('And in Leeds?', asked('When does the shop open?'))).toBe('And in Leeds? (shop open)');
  expect(standaloneQuestion('How much does it cost?', asked('Can you repair my tent?'))).toBe('How much does it cost? (repair tent)');
});

test('other questions stay as they are', () => {
  for (const text of ['Is there a discount for club members?', 'How is a down jacket washed so that it stays light and warm?']) {
    expect(standaloneQuestion(text, asked('When does the shop open?'))).toBe(text);
  }
  expect(standaloneQuestion('And in Leeds?', [])).toBe('And in Leeds?');
  expect(standaloneQuestion('And in Leeds?', asked('Hello!'))).toBe('And in Leeds?');
});

test.each([
  ['How many poles has the tent?', 'number', 'It has three poles.', true],
  ['How many of the 5 poles bend?', 'number', 'The 5 poles bend.', false],
  ['When was the shop founded?', 'date', 'It opened in 1987.', true],
  ['What year was it founded?', 'date', 'It opened long ago.', false],
  ['Who founded the shop?', 'person', 'The shop was founded by Ada Lovelace.', true],
  ['Who founded Leeds Outdoor?', 'person', 'The shop Leeds Outdoor was founded.', false],
  ['Which city has a store?', 'place', 'We are in Keswick.', true],
  ['Why is it wet?', 'reason', 'It is wet because it rains.', true],
  ['What is a tarp?', 'other', 'A tarp is a roof.', false],
] as const)('%s asks for a %s; "%s" %s', (question, type, text, holds) => {
  expect(answerTypeOf(question)).toBe(type);
  expect(hasAnswerOfType(type, text, question)).toBe(holds);
});
