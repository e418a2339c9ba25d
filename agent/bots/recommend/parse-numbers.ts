import type { ProductFilter } from '#agent/shop/product-filter.ts';

/** Bounds that a message states, and the text without the phrases that stated them. */
export interface NumberParse {
  readonly bounds: Pick<ProductFilter, 'minPrice' | 'maxPrice' | 'minWeight' | 'maxWeight' | 'minRating'>;
  readonly rest: string;
}

const NUMBER = String.raw`[£$€]?\s?(\d+(?:[.,]\d{1,2})?)\s?`;
const WEIGHT_UNIT = '(kg|kilos?|kilograms?|g|grams?|gr)';
const MONEY_UNIT = '(?:pounds?|quid|gbp|£|euros?|eur|€|dollars?)?';
/** What makes a number something else than money. */
const NOT_MONEY = String.raw`(?![\d.,]*\s?(?:kg|kilo|g\b|gram|gr\b|stars?|l\b|lit|cm|mm|m\b|%|person|people|days?|nights?|season|years?))`;
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
    read: ([a, b]) => ({ minPrice: pence(a), maxPrice: pence(b) }),
  },
  {
    pattern: /[£€$]\s?(\d+(?:\.\d{1,2})?) ?(?:-|to) ?[£€$]?\s?(\d+(?:\.\d{1,2})?)/,
    read: ([a, b]) => ({ minPrice: pence(a), maxPrice: pence(b) }),
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
  { pattern: /(?:for )?(\d+(?:\.\d{1,2})?) ?(?:pounds?|quid|gbp|euros?)/, read: ([n]) => ({ maxPrice: pence(n) }) },
];

/** Reads prices, weights and ratings out of lower-case text. Any currency sign is taken for the shop's own. */
export function parseNumbers(text: string): NumberParse {
  let rest = text.replaceAll(/(\d),(\d{3})(?!\d)/g, '$1$2');
  let bounds: Bounds = {};
  for (const { pattern, read } of RULES) {
    const match = pattern.exec(rest);
    if (!match) continue;
    bounds = { ...read(match.slice(1).filter((group) => group !== undefined)), ...bounds };
    rest = `${rest.slice(0, match.index)} ${rest.slice(match.index + match[0].length)}`;
  }
  const { minPrice, maxPrice } = bounds;
  if (minPrice !== undefined && maxPrice !== undefined && minPrice > maxPrice)
    bounds = { ...bounds, minPrice: maxPrice, maxPrice: minPrice };
  return { bounds, rest };
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
