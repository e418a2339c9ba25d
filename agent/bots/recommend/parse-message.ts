import type { FacetId, SearchFilter } from './facets.ts';
import { findTerms, type Term } from './find-terms.ts';
import { type NumberProblem, parseNumbers } from './parse-numbers.ts';
import { type Attribute, type Position, parseReference } from './parse-reference.ts';
import { parseNoun, parseSmallTalk, type RequestedNoun, type SmallTalk } from './parse-request.ts';
import {
  ACTIVITY_WORDS,
  CATEGORY_WORDS,
  COLOUR_WORDS,
  GENDER_WORDS,
  MATERIAL_WORDS,
  SEASON_WORDS,
  STOP_WORDS,
  type Vocabulary,
  WATERPROOF_WORDS,
} from './vocabulary.ts';

/** An order of the list that the user asks for. */
export type SortOrder = 'price' | 'price-down' | 'weight' | 'rating';

/** What a message says, before anything is known of the conversation. */
export interface ParsedMessage {
  /** Hard conditions that the message states. */
  readonly filter: SearchFilter;
  /** Conditions that the message takes back: `any colour`. */
  readonly dropped: readonly FacetId[];
  /** Better than what was shown: `cheaper`, `lighter`. */
  readonly comparison?: SortOrder;
  /** `cheapest`, `best rated`. */
  readonly sort?: SortOrder;
  /** What of the shown list it speaks of. */
  readonly positions: readonly Position[];
  /** `it`, `that one`. */
  readonly pointsBack: boolean;
  /** What it asks about the thing it speaks of. */
  readonly attribute?: Attribute;
  readonly command?: 'more' | 'reset' | 'same' | 'yes' | 'no';
  /** The whole message is talk. */
  readonly talk?: SmallTalk;
  /** An article that it asks for and that no vocabulary knows. */
  readonly noun?: RequestedNoun;
  /** Why its numbers cannot be searched by. */
  readonly problem?: NumberProblem;
  readonly foreignCurrency?: true;
  /** Words that no rule took: what the text is *like*. */
  readonly words: readonly string[];
}

const SIZE =
  /\bsizes? (xxl|xl|xs|[sml]|\d{2,3}|small|medium|large|extra large|regular|long|kids)\b|\b(?:in|an?) (xxl|xl|xs|[sml])\b|(?<![\w-])(xxl|xl|xs)(?![\w-])/;
const SIZE_LABELS: Readonly<Record<string, string>> = {
  small: 'S',
  medium: 'M',
  large: 'L',
  'extra large': 'XL',
  regular: 'Regular',
  long: 'Long',
  kids: 'Kids',
};
const NEED_NOT = /(?:(?:does|do|need)(?:n'?t| not) (?:have|need)?(?: to)?|need not) be (?:water ?-?(?:proof|tight))/;
const DROPS: readonly (readonly [FacetId, RegExp])[] = [
  ['colour', /\bany colou?r\b|\bcolou?r (?:doesn'?t|does not) matter\b/],
  ['price', /\bany price\b|\b(?:price|money) (?:doesn'?t|does not|is no) (?:matter|object|issue)\b/],
  ['brand', /\bany brand\b|\bbrand (?:doesn'?t|does not) matter\b/],
  ['size', /\bany size\b|\bsize (?:doesn'?t|does not) matter\b/],
  ['gender', /\bfor (?:any(?:one|body)|every(?:one|body))\b|\bany gender\b/],
  ['material', /\bany material\b/],
  ['season', /\bany season\b/],
  ['waterproof', NEED_NOT],
];
const COMPARISONS: readonly (readonly [SortOrder, RegExp])[] = [
  ['price', /\b(?:cheaper|less expensive|lower[- ]priced?)\b/],
  ['price-down', /\b(?:dearer|more expensive|pricier|higher[- ]priced?|more premium)\b/],
  ['weight', /\b(?:lighter|less heavy)\b/],
  ['rating', /\b(?:better[- ](?:rated|reviewed)|higher[- ]rated)\b/],
];
const SORTS: readonly (readonly [SortOrder, RegExp])[] = [
  ['price', /\b(?:cheap(?:est)?|least expensive|lowest price|inexpensive)\b/],
  ['price-down', /\b(?:most expensive|dearest|priciest)\b/],
  ['weight', /\b(?:lightest|ultra ?-?light)\b/],
  ['rating', /\b(?:(?:best|top|highest)[- ]?(?:rated|reviewed)?|most popular)\b/],
];
const COMMANDS: readonly (readonly [NonNullable<ParsedMessage['command']>, RegExp])[] = [
  ['reset', /\b(?:start (?:over|again|anew)|reset|new search|clear (?:all|everything))\b/],
  ['same', /\bsame\b/],
  [
    'more',
    /^(?:show (?:me )?)?(?:some )?(?:more|others?|next|something else|anything else|any others?|what else)\b(?! (?:about|expensive|premium|details?|info))/,
  ],
  ['yes', /^(?:yes|yeah|yep|sure|ok(?:ay)?|please do|go ahead|do (?:it|that))\b/],
  ['no', /^(?:no|nope|no thanks?(?: you)?)[.!]?$/],
];

const PERSONS =
  /(?:\b(?:for|sleeps) )?(?<![\w.£$€-])(\d|one|two|three|four|five|six)[ -]?(?:people|persons?|men|man|adults|of us)\b|\b(?:for|sleeps) (\d|two|three|four|five|six)(?= ?(?:$|[,.!?]|under|below|in|and|with|up to|at most))/;
const NUMBER_WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six'];

/** Whether a lower-case word means something by itself. */
export function isVocabularyWord(word: string): boolean {
  const vocabularies = [
    CATEGORY_WORDS,
    COLOUR_WORDS,
    MATERIAL_WORDS,
    GENDER_WORDS,
    SEASON_WORDS,
    ACTIVITY_WORDS,
    WATERPROOF_WORDS,
  ] as readonly Vocabulary<unknown>[];
  const rules = [...DROPS, ...COMPARISONS, ...SORTS, ...COMMANDS];
  const { attribute, positions } = parseReference(word);
  return (
    attribute !== undefined ||
    positions.length > 0 ||
    vocabularies.some((vocabulary) => findTerms(word, vocabulary).length > 0) ||
    rules.some(([, pattern]) => pattern.test(word))
  );
}

/** Reads one message. Deterministic; no model takes part. */
export function parseMessage(message: string, brands: readonly string[]): ParsedMessage {
  const text = message.toLowerCase().replaceAll('’', "'").replaceAll(/\s+/g, ' ').trim();
  const people = PERSONS.exec(text);
  const { bounds, rest, problem, foreignCurrency } = parseNumbers(people ? blank(text, people) : text);
  const reader = new TermReader(rest.replace(NEED_NOT, (match) => ' '.repeat(match.length)));
  const brandWords: Vocabulary<string> = brands.map((brand) => [brand, [brand.toLowerCase().replaceAll(/[^\w ]/g, '\\$&')]]);
  const categories = reader.take(CATEGORY_WORDS);
  const colours = reader.take(COLOUR_WORDS);
  const materials = reader.take(MATERIAL_WORDS);
  const brand = reader.take(brandWords);
  const waterproof = reader.peek(WATERPROOF_WORDS);
  const genders = reader.take(GENDER_WORDS);
  const seasons = reader.take(SEASON_WORDS);
  const activities = reader.take(ACTIVITY_WORDS);
  const size = SIZE.exec(rest);
  const comparison = firstMatch(COMPARISONS, rest);
  const sort = comparison ? undefined : firstMatch(SORTS, rest);
  const command = firstMatch(COMMANDS, text);
  const taken = [...COMPARISONS, ...SORTS].reduce((left, [, pattern]) => left.replace(pattern, dots), reader.text.replace(SIZE, ' '));
  const filter: SearchFilter = {
    ...bounds,
    ...list('categories', positive(categories).flat()),
    ...list('colours', positive(colours)),
    ...list('notColours', negative(colours)),
    ...list('materials', positive(materials)),
    ...list('notMaterials', negative(materials)),
    ...list('brands', positive(brand)),
    ...list('notBrands', negative(brand)),
    ...list('activities', positive(activities)),
    ...optional('gender', positive(genders)[0]),
    ...optional('season', positive(seasons)[0]),
    ...optional('size', sizeLabel(size?.[1] ?? size?.[2] ?? size?.[3])),
    ...optional('waterproof', waterproof[0] && !waterproof[0].negated),
    ...optional('persons', personCount(people?.[1] ?? people?.[2])),
  };
  return {
    filter,
    dropped: DROPS.filter(([, pattern]) => pattern.test(text)).map(([facet]) => facet),
    ...parseReference(text),
    ...optional('comparison', comparison),
    ...optional('sort', sort),
    ...optional('command', command),
    ...optional('talk', parseSmallTalk(text)),
    ...optional('noun', filter.categories ? undefined : parseNoun(taken)),
    ...optional('problem', problem),
    ...optional('foreignCurrency', foreignCurrency),
    words: contentWords(taken),
  };
}

/** Finds terms and blanks them, so that `rain` in `rain jacket` is not read twice. */
class TermReader {
  text: string;
  readonly #original: string;

  constructor(text: string) {
    this.text = text;
    this.#original = text;
  }

  take<T>(vocabulary: Vocabulary<T>): Term<T>[] {
    const terms = findTerms(this.text, vocabulary);
    for (const { start, end } of terms) this.text = this.text.slice(0, start) + '·'.repeat(end - start) + this.text.slice(end);
    return terms;
  }

  /** Looks into what others took too: a rain jacket is a jacket and waterproof. */
  peek<T>(vocabulary: Vocabulary<T>): Term<T>[] {
    const terms = findTerms(this.#original, vocabulary);
    this.take(vocabulary);
    return terms;
  }
}

function positive<T>(terms: readonly Term<T>[]): T[] {
  return [...new Set(terms.filter(({ negated }) => !negated).map(({ value }) => value))];
}

function negative<T>(terms: readonly Term<T>[]): T[] {
  return [...new Set(terms.filter(({ negated }) => negated).map(({ value }) => value))];
}

function list<Name extends keyof SearchFilter>(name: Name, values: readonly unknown[]): SearchFilter {
  return values.length > 0 ? { [name]: values } : {};
}

function optional<Name extends string, T>(name: Name, value: T | undefined): { readonly [Key in Name]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: T };
}

function sizeLabel(found: string | undefined): string | undefined {
  return found === undefined ? undefined : (SIZE_LABELS[found] ?? found.toUpperCase());
}

function personCount(found: string | undefined): number | undefined {
  if (found === undefined) return undefined;
  return NUMBER_WORDS.includes(found) ? NUMBER_WORDS.indexOf(found) : Number(found);
}

function blank(text: string, { 0: found, index }: RegExpExecArray): string {
  return `${text.slice(0, index)} ${text.slice(index + found.length)}`;
}

function dots(found: string): string {
  return '·'.repeat(found.length);
}

function firstMatch<T>(rules: readonly (readonly [T, RegExp])[], text: string): T | undefined {
  return rules.find(([, pattern]) => pattern.test(text))?.[0];
}

function contentWords(text: string): string[] {
  const words = text.match(/[a-z0-9][a-z0-9'-]+/g) ?? [];
  return [...new Set(words)].filter((word) => !STOP_WORDS.has(word) && !/^\d+$/.test(word));
}
