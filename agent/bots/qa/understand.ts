import { contentWords, wordsOf } from '#agent/retrieval/text/terms.ts';
import type { ChatMessage } from '#edge/contracts/generate.ts';

/** What a message asks for. */
export type Intent = 'greeting' | 'thanks' | 'abilities' | 'summary' | 'question';

const GREETING = /^(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|greetings)(?: there| all| everyone)?[\s!.,]*$/i;
const THANKS = /^(?:ok(?:ay)?,? )?(?:thanks?|thank you|cheers|great|perfect)(?: (?:a lot|very much|so much))?[\s!.,]*$/i;
const ABILITIES =
  /^(?:what (?:can|do) you (?:do|know)|who are you|help|what are you|how (?:can|do) (?:you|I) (?:help(?: me)?|use you))[\s?!.]*$/i;
const SUMMARY = /^(?:please |can you |could you )*(?:summari[sz]e|sum up|give (?:me )?a (?:short )?summary of|tl;?dr:?)\s+/i;

/** The intent of a message, by its wording alone. */
export function intentOf(text: string): Intent {
  const message = text.trim();
  if (GREETING.test(message)) return 'greeting';
  if (THANKS.test(message)) return 'thanks';
  if (ABILITIES.test(message)) return 'abilities';
  return SUMMARY.test(message) ? 'summary' : 'question';
}

/** What a summary is asked of: the message without the request. */
export function summaryTopic(text: string): string {
  return text
    .trim()
    .replace(SUMMARY, '')
    .replace(/[?.!\s]+$/, '');
}

const REFERS_BACK = /\b(?:it|its|he|him|his|she|her|hers|they|them|their|theirs)\b|\b(?:this|that|these|those|one|ones|there)[\s?.!]*$/i;
const CONTINUES = /^(?:and|but|what about|how about|so|also|or)\b/i;
/** A question with fewer content words than this says too little alone. */
const FEW_WORDS = 2;
/** With this many, a pronoun most likely refers to a word of the question itself. */
const MANY_WORDS = 5;
/** Characters of the previous question that are read for its topic; clients may send any history. */
const CONTEXT_CHARACTERS = 300;

/**
 * A follow-up question made to stand alone: when it refers back or is very short, the content words of the user's previous question are
 * added. Other questions stay as they are.
 */
export function standaloneQuestion(text: string, history: readonly ChatMessage[]): string {
  const previous = history.findLast((message) => message.role === 'user' && intentOf(message.content) === 'question');
  if (!previous || !needsContext(text)) return text;
  const known = new Set(wordsOf(text).map((word) => word.term));
  const added = contentWords(previous.content.slice(0, CONTEXT_CHARACTERS)).filter((word) => !known.has(word.term));
  return added.length === 0 ? text : `${text} (${added.map((word) => word.text).join(' ')})`;
}

/** True for a question that could be answered without the conversation too. */
export function canStandAlone(text: string): boolean {
  return contentWords(text).length >= FEW_WORDS && !CONTINUES.test(text.trim());
}

function needsContext(text: string): boolean {
  return !canStandAlone(text) || (REFERS_BACK.test(text) && contentWords(text).length < MANY_WORDS);
}
