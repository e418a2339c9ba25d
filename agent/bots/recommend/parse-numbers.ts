import type { ProductFilter } from '#agent/shop/product-filter.ts';

/** Bounds that a message states, and the text without the phrases that stated them. */
export interface NumberParse {
  readonly bounds: Pick<ProductFilter, 'minPrice' | 'maxPrice' | 'minWeight' | 'maxWeight' | 'minRating'>;
  readonly rest: string;
  /** Bounds that exclude each other, or an amount that no price can have. */
  readonly problem?: NumberProblem;
  /** An amount was named in another currency than the shop's; it is read as pounds. */
  readonly foreignCurrency?: true;
}

export type NumberProblem = 'contradiction' | 'senseless';

const NUMBER = String.raw`[£$€]?\s?(\d+(?:[.,]\d{1,2})?(?:e\d{1,2})?)\s?`;
const WEIGHT_UNIT = '(kg|kilos?|kilograms?|g|grams?|gr)';
const MONEY_UNIT = '(?:pounds?|quid|gbp|£|euros?|eur|€|dollars?)?';
/** What makes a number something else than money. */
const NOT_MONEY = String.raw`(?![\d.,]*\s?(?:kg|kilo|g\b|gram|gr\b|stars?|l\b|lit|cm|mm|m\b|%|person|people|days?|nights?|season|years?))`;
/** A bound below zero; degrees may be. */
const NEGATIVE =
  /(?:(?:\b(?:under|below|than|up to|at most|over|above|at least|from|for|around|about) |^)(?:[£$€]\s?-|-\s?[£$€]?)\s?\d|[£$€]\s?-\s?\d|\bminus \d)(?![\d.]*\s?(?:°|c\b|f\b|deg|celsius))/;
const FOREIGN = /[$€]\s?\d|\d\s?(?:[$€]|(?:euros?|eur|dollars?|usd|bucks|francs?|chf|yen)\b)/;
/** Pence; nothing that a shop sells is dearer, so nobody asks for more than that. */
const MAX_LOWER_BOUND = 100_000_000;
const BELOW = '(?:under|below|less than|cheaper than|lighter than|smaller than|<)';
const AT_MOST = '(?:up to|at most|max(?:imum)?(?: of)?|no more than|not more than|within|<=|budget(?: is| of)?)';
const ABOVE = '(?:over|above|more than|heavier than|dearer than|>)';
const AT_LEAST = '(?:at least|min(?:imum)?(?: of)?|from|starting at|no less than|>=)';
const AROUND = '(?:around|about|roughly|approximately|circa|~)';

type Bounds = { -readonly [Name in keyof NumberParse['bounds']]: NumberParse['bounds'][Name] };

interface Rule {
  readonly pattern: RegExp;
  readonly read: (groups: readonly string[]) => Bounds;
}

/** "Under" excludes the number itself, "up to" includes it: prices are whole pence, weights whole grams, so one less is exact. */
const RULES: readonly Rule[] = [
  {
    pattern: money(`(?:between|from) ${NUMBER}${MONEY_UNIT} ?(?:and|to|-) ?`),
    read: range,
  },
  {
    pattern: /[£€$]\s?(\d+(?:\.\d{1,2})?) ?(?:-|to) ?[£€$]?\s?(\d+(?:\.\d{1,2})?)/,
    read: range,
  },
  { pattern: weight(BELOW), read: ([n, unit]) => ({ maxWeight: grams(n, unit) - 1 }) },
  { pattern: weight(AT_MOST), read: ([n, unit]) => ({ maxWeight: grams(n, unit) }) },
  { pattern: weight(ABOVE), read: ([n, unit]) => ({ minWeight: grams(n, unit) + 1 }) },
  { pattern: weight(AT_LEAST), read: ([n, unit]) => ({ minWeight: grams(n, unit) }) },
  {
    pattern:
      /(?:(?:at least|over|above|more than|min(?:imum)?(?: of)?) )?(\d(?:\.\d)?)\+?(?: or more)? stars?(?: (?:and|or) (?:up|more|better|above))?/,
    read: ([n]) => ({ minRating: Number(n) }),
  },
  { pattern: money(BELOW), read: ([n]) => ({ maxPrice: pence(n) - 1 }) },
  { pattern: money(AT_MOST), read: ([n]) => ({ maxPrice: pence(n) }) },
  { pattern: money(ABOVE), read: ([n]) => ({ minPrice: pence(n) + 1 }) },
  { pattern: money(AT_LEAST), read: ([n]) => ({ minPrice: pence(n) }) },
  { pattern: money(AROUND), read: ([n]) => ({ minPrice: Math.round(pence(n) * 0.8), maxPrice: Math.round(pence(n) * 1.2) }) },
  { pattern: /(?:for )?[£€$]\s?(\d+(?:\.\d{1,2})?)/, read: ([n]) => ({ maxPrice: pence(n) }) },
  { pattern: /(?:for )?(\d+(?:\.\d{1,2})?) ?(?:pounds?|quid|gbp|euros?|eur|dollars?)/, read: ([n]) => ({ maxPrice: pence(n) }) },
];

/** Reads prices, weights and ratings out of lower-case text. Amounts of any currency are taken for the shop's own, see `foreignCurrency`. */
export function parseNumbers(text: string): NumberParse {
  let rest = text.replaceAll(/(\d),(\d{3})(?!\d)/g, '$1$2');
  let bounds: Bounds = {};
  for (const { pattern, read } of RULES) {
    const match = pattern.exec(rest);
    if (!match) continue;
    bounds = { ...read(match.slice(1).filter((group) => group !== undefined)), ...bounds };
    rest = `${rest.slice(0, match.index)} ${rest.slice(match.index + match[0].length)}`;
  }
  const problem = findProblem(text, bounds);
  return { bounds, rest, ...(problem ? { problem } : {}), ...(FOREIGN.test(text) ? { foreignCurrency: true } : {}) };
}

function findProblem(
  text: string,
  { minPrice = 0, maxPrice = Number.MAX_VALUE, minWeight = 0, maxWeight = Number.MAX_VALUE }: Bounds,
): NumberProblem | undefined {
  if (NEGATIVE.test(text) || maxPrice <= 0 || minPrice > MAX_LOWER_BOUND) return 'senseless';
  return minPrice > maxPrice || minWeight > maxWeight ? 'contradiction' : undefined;
}

/** A range is one however it was said. */
function range([a, b]: readonly string[]): Bounds {
  const [low, high] = [pence(a), pence(b)].sort((x, y) => x - y);
  return { minPrice: low ?? 0, maxPrice: high ?? 0 };
}

function money(words: string): RegExp {
  return new RegExp(String.raw`(?<!\w)${words} ?${NOT_MONEY}${NUMBER}${MONEY_UNIT}(?![\w.])`);
}

function weight(words: string): RegExp {
  return new RegExp(String.raw`(?<!\w)${words} ?${NUMBER}${WEIGHT_UNIT}(?!\w)`);
}

function pence(number: string | undefined): number {
  return Math.round(Number((number ?? '0').replace(',', '.')) * 100);
}

function grams(number: string | undefined, unit = 'g'): number {
  return Math.round(Number((number ?? '0').replace(',', '.')) * (unit.startsWith('k') ? 1000 : 1));
}
