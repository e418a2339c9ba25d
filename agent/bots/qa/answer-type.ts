import { isStopWord, wordsOf } from '#agent/retrieval/text/terms.ts';

/** What a question asks for, as far as its question words tell. */
export type AnswerType = 'person' | 'place' | 'date' | 'number' | 'reason' | 'other';

const NUMBER_WORD =
  /\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?|trillions?|half|third|quarter|dozens?|once|twice|first|second|percent)\b/i;
const DATE =
  /\b(?:1\d{3}|20\d\d)s?\b|\b(?:January|February|March|April|June|July|August|September|October|November|December|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b|\bMay \d|\bcentur(?:y|ies)\b|\b(?:days?|weeks?|months?|years?) (?:ago|later|after|before|of)\b|\b\d{1,2}(?::\d\d)? ?(?:am|pm)\b/i;
const REASON =
  /\b(?:because|due to|so that|in order to|since|therefore|thus|as a result|caused?|reasons?|to (?:avoid|prevent|protect|allow|make|ensure))\b/i;

/** The type that the question words ask for. */
export function answerTypeOf(question: string): AnswerType {
  const text = question.toLowerCase();
  if (
    /\bhow (?:many|much|long|old|far|often|tall|high|large|big|fast|deep|wide|heavy)\b|\b(?:percentage|percent|what number|how few)\b/.test(
      text,
    )
  ) {
    return 'number';
  }
  if (/\bwhen\b|\b(?:what|which|in what) (?:\w+ )?(?:year|date|day|month|decade|century|time)\b/.test(text)) return 'date';
  if (/\b(?:who|whom|whose)\b/.test(text)) return 'person';
  if (/\bwhere\b|\b(?:what|which) (?:city|country|town|state|place|region|continent|river|location)\b/.test(text)) return 'place';
  return /\bwhy\b|\bwhat (?:caused|reason)\b/.test(text) ? 'reason' : 'other';
}

/** True when the text holds something of the type that the question itself does not hold; never for `other`. */
export function hasAnswerOfType(type: AnswerType, text: string, question: string): boolean {
  switch (type) {
    case 'number':
      return hasNewNumber(text, question) || NUMBER_WORD.test(text);
    case 'date':
      return DATE.test(removeWords(text, question));
    case 'person':
    case 'place':
      return hasNewName(text, question);
    case 'reason':
      return REASON.test(text);
    case 'other':
      return false;
  }
}

function hasNewNumber(text: string, question: string): boolean {
  const known = new Set(question.match(/\d[\d.,]*/g));
  return (text.match(/\d[\d.,]*/g) ?? []).some((number) => !known.has(number));
}

function removeWords(text: string, question: string): string {
  const known = new Set(wordsOf(question).map((word) => word.term));
  return text.replace(/[\p{L}\p{N}]+/gu, (word) => (/\d/.test(word) && known.has(word.toLowerCase()) ? '' : word));
}

/** A capitalised word that does not begin the text and that the question does not name. */
function hasNewName(text: string, question: string): boolean {
  const known = new Set(wordsOf(question).map((word) => word.term));
  return wordsOf(text).some(
    (word, index) => index > 0 && /^\p{Lu}/u.test(word.text) && word.text.length > 1 && !known.has(word.term) && !isStopWord(word.text),
  );
}
