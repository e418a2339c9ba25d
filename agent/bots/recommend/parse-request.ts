import { GENERIC_NOUNS, SOFT_WORDS, STOP_WORDS } from './vocabulary.ts';

/** A message that is nothing but talk. */
export type SmallTalk = 'greeting' | 'thanks' | 'goodbye' | 'about' | 'catalogue';

const TALKS: readonly (readonly [SmallTalk, RegExp])[] = [
  ['greeting', /^(?:hi|hello|hey|hiya|good (?:morning|afternoon|evening))(?: there| again| bot| all)?[\s!.,?]*$/],
  [
    'thanks',
    /^(?:(?:ok(?:ay)?|great|perfect|cool|no)[,.]? )?(?:many )?(?:thanks?|thank you|thx|ty|cheers|great|perfect|cool)(?: (?:you|a lot|so much|very much|again))*[\s!.]*$/,
  ],
  ['goodbye', /^(?:(?:good)?bye|see you|that(?:'?s| is) (?:all|it)|nothing(?: else)?)(?:,? (?:thanks|thank you))?[\s!.]*$/],
  [
    'about',
    /^(?:(?:who|what) are you|what (?:can|do) you do|what can i (?:ask|do)|how (?:can|do) you help|how does this work|are you (?:an? )?(?:real )?(?:bot|robot|human|person)|(?:please )?help(?: me)?|i need help)[\s!?.]*$/,
  ],
  [
    'catalogue',
    /^(?:what (?:do|else do) you (?:have|sell|offer)|what(?:'?s| is) (?:there|in the shop|on offer)|what (?:can|could) i buy|show me (?:everything|what you have))(?: here)?[\s!?.]*$/,
  ],
];

const REQUEST =
  /\b(?:show (?:me|us)|do you (?:have|sell|stock|offer)|have you got|got any|(?:i|we)(?:'d| would)? (?:want|need|like)|looking for|find (?:me|us)|give (?:me|us)|search for|what about|how about|recommend(?: me| us)?|can i (?:buy|get|see)|buy)\b/;
/** Where the noun phrase of a request ends. */
const PHRASE_END =
  /\b(?:with|without|for|under|over|below|above|up|around|between|that|which|who|in|of|to|from|by|at|and|or|but|not|like|as)\b|[,.;:?!()£$€<>\d]/;
const DETERMINER = /^(?:an?|some|any|the|your|all|my|more|other|another|no)$/;

/** The article that a message asks for. */
export interface RequestedNoun {
  readonly noun: string;
  /** A verb or an article says that it is one; else it is only a plural that stands alone. */
  readonly isAsked: boolean;
}

/** What a (lower-case) message is, when it asks for nothing. */
export function parseSmallTalk(text: string): SmallTalk | undefined {
  return TALKS.find(([, pattern]) => pattern.test(text))?.[0];
}

/** The article that is asked for and that no vocabulary took. @param text the message, what was taken blanked with `·`. */
export function parseNoun(text: string): RequestedNoun | undefined {
  const request = REQUEST.exec(text);
  const rest = (request ? text.slice(request.index + request[0].length) : text).trim();
  const phrase = rest.slice(0, PHRASE_END.exec(rest)?.index ?? rest.length);
  const words = phrase.trim().split(/\s+/).filter(Boolean);
  const hasArticle = /^an?$/.test(words[0] ?? '');
  const kept = words.filter((word) => !DETERMINER.test(word));
  if (/^(?:some|any)(?:thing|one|body)$/.test(kept[0] ?? '')) return undefined;
  while (kept.length > 0 && STOP_WORDS.has(kept.at(-1) as string) && !GENERIC_NOUNS.has(kept.at(-1) as string)) kept.pop();
  const noun = kept.at(-1);
  if (noun === undefined || !/^[a-z][a-z'-]+$/.test(noun) || GENERIC_NOUNS.has(noun) || STOP_WORDS.has(noun) || SOFT_WORDS.has(noun))
    return undefined;
  const isAsked = request !== null || (hasArticle && words.length <= 4);
  if (!isAsked && (kept.length > 2 || !/[^s]s$/.test(noun))) return undefined;
  return { noun, isAsked };
}
